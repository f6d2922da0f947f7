"""The wheel as whoever has no repository gets it: built, installed into a fresh environment, and run from another folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600, stdin=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this repository, built as a release would be, from the lock's own builder."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder, ROOT),
        cwd=folder,
    )
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("anr-*.whl")
    return found


@pytest.fixture(scope="module")
def anr(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment with the wheel; what it depends on is lent by the environment of the tests."""
    folder = tmp_path_factory.mktemp("fresh")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder).returncode == 0
    python = folder / "venv" / "bin" / "python"
    installed = run(
        *(
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            wheel,
        ),
        cwd=folder,
    )
    assert installed.returncode == 0, installed.stderr
    (packages,) = (folder / "venv").glob("lib/python3*/site-packages")
    lent = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    # behind the wheel's own: what the tests' environment says of anr itself is not taken, an editable path least of all
    for package in lent.iterdir():
        if "anr" not in package.name.lower() and not (packages / package.name).exists() and package.suffix != ".pth":
            (packages / package.name).symlink_to(package)
    return folder / "venv" / "bin" / "anr"


def test_the_wheel_holds_what_people_copy_and_nothing_else(wheel: Path) -> None:
    """The packages, docs, ops and the manifest; no tests, no state of a router, nothing compiled."""
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("docs", "ops"):
        here = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
        here = {name for name in here if "__pycache__" not in name}
        assert {name.removeprefix("bot/share/") for name in names if name.startswith(f"bot/share/{folder}/")} == here
    assert "bot/share/manifest.yml" in names
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {"core", "bot"}
    assert [name for name in names if name.endswith((".pyc", ".sqlite"))] == []


def test_the_wheel_runs_without_the_repository(anr: Path, tmp_path: Path) -> None:
    """From another folder, in an empty environment: the version, the pages, the files of ops, a brake."""
    bare = {"PATH": "/usr/bin:/bin"}
    assert run(anr, "--version", cwd=tmp_path, environment=bare).stdout.startswith("anr ")
    listed = run(anr, "docs", cwd=tmp_path, environment=bare)
    assert (listed.returncode, "at-3am" in listed.stdout, "ops/kubernetes/anr.yaml" in listed.stdout) == (0, True, True)
    page = run(anr, "docs", "at-3am", cwd=tmp_path, environment=bare).stdout
    assert page == (ROOT / "docs" / "at-3am.md").read_text(encoding="utf-8")
    where = Path(run(anr, "docs", "--where", cwd=tmp_path, environment=bare).stdout.strip())
    assert (where / "ops" / "systemd" / "anr-bot.service").is_file()
    assert str(where).startswith(str(anr.parents[1]))
    assert '"display_information"' in run(anr, "manifest", cwd=tmp_path, environment=bare).stdout
    (tmp_path / "anr.env").write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    (tmp_path / "anr.toml").write_text("[target]\nobserve_timeout_s = 0\n", encoding="utf-8")
    braked = run(anr, "rollback", cwd=tmp_path, environment=bare)
    assert "NOVA_ANR_KILL=1" in (tmp_path / "anr.env").read_text(encoding="utf-8"), braked.stderr
    assert "Traceback" not in braked.stderr


def test_a_missing_extra_is_told_with_the_wheel_that_has_it(anr: Path, wheel: Path, tmp_path: Path) -> None:
    """The command adds the extra from this wheel: the name `anr` is somebody else's in Python's index."""
    (packages,) = anr.parents[1].glob("lib/python3*/site-packages")
    blocker = tmp_path / "blocked"
    blocker.mkdir()
    (blocker / "pyarrow.py").write_text("raise ModuleNotFoundError(\"No module named 'pyarrow'\", name='pyarrow')\n")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(map(str, (blocker, packages)))}
    (tmp_path / "l.ndjson").write_text("", encoding="utf-8")
    refused = run(anr, "ledger", "export", "--ledger", "l.ndjson", "--parquet", "out", cwd=tmp_path, environment=environment)
    told = "".join(refused.stderr.split())
    assert refused.returncode == 2, refused.stderr
    assert f'"anr[warehouse]@{wheel.as_uri()}"' in told
