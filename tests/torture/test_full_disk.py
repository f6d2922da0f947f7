"""A file system that is really full, a tmpfs of two megabytes: what a brake says of it, and what it leaves once there is room.

The process that brakes mounts it in a namespace of its own, over the folder of the journal, the marks and the settings file.
What counts is what a simulated router's process there has loaded.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.brake.brake import Braked
from core.settings.target import TargetSettings
from tests.support.rig import Clock, Rig
from tests.support.simulated_routers import Routers, simulated_routers
from tests.torture.test_half_failed_brake import BRAKES
from tests.torture.ways_up import Field, nobody_raises, settled_safe

pytestmark = pytest.mark.torture

SAFE = {"enabled": False, "pilot": 0.0, "kill": True}
WORK = {work.__name__: work for work in BRAKES}


@pytest.fixture(scope="module")
def routers() -> Iterator[Routers]:
    with simulated_routers() as running:
        yield running


def filled(folder: Path, left: int) -> Path:
    """Fill the file system but for some bytes' worth of pages; return the file that fills it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            file.truncate(max(file.tell() - left, 0))
    return filler


@pytest.mark.parametrize("left", [0, 4096, 65536], ids=["no-page", "a-page", "some-pages"])
@pytest.mark.parametrize("work", WORK)
def test_a_brake_on_a_full_disk_says_what_it_could_not_do_and_leaves_no_way_up(
    rig: Rig, routers: Routers, tmp_path_factory: pytest.TempPathFactory, work: str, left: int, figure: Callable[[str], None]
) -> None:
    """Law: it is not called safe unless the router loaded the safe settings, and nobody alone leads up what it left."""
    kept = tmp_path_factory.mktemp("kept") / "files"
    field = Field.of(rig, routers, kept)
    unshare = shutil.which("unshare") or "unshare"  # util-linux
    command = [unshare, "-rm", sys.executable, "-m", __name__, field.settings.model_dump_json(), str(kept), work, str(left)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    figure(f"{work} with {left} bytes left on its disk: {done.stdout.splitlines()[-1]}")


def main(options: str, kept: str, work: str, left: str) -> None:
    """Brake where there is no room, then make room; ends with an error where a law does not hold."""
    settings = TargetSettings.model_validate_json(options)
    folder = settings.journal.parent
    subprocess.run([shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], check=True)
    with simulated_routers() as routers:
        settings = settings.model_copy(update={"reload_command": routers.reload_command(settings.settings_file)})
        field = Field(settings, Clock(), routers, Path(kept))
        field.again()
        filler = filled(folder, int(left))
        braked = WORK[work](settings, field.clock.now)
        assert isinstance(braked, Braked)
        loaded = routers.loaded(settings.settings_file)
        assert braked.safe == (loaded == SAFE), f"said {braked.safe}, loaded {loaded}: {braked.problems}"
        assert braked.safe or braked.problems
        assert braked.sealed is not None or braked.problems
        nobody_raises(field, "the disk is full")
        filler.unlink()
        nobody_raises(field, "there is room again")
        settled_safe(field, "there is room again", tried=True)
    fate = "safe" if braked.safe else "not safe"
    sys.stdout.write(f"{fate}, {'recorded' if braked.sealed else 'not recorded'}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
