"""The tiers of the tests, and what Debian has to bring for those that Python alone cannot run.

`make test` runs the first tier: whatever carries none of these markers. `make test-all` runs everything, and asks here first.

    python3 -m tests.support.tiers             # names the programs that are missing and the command that installs them
    python3 -m tests.support.tiers --packages  # only the packages that are missing, for .ci/run

Excluded: what pip installs; requirements-dev.lock has that for all tiers. Standard library only: it runs before there is a .venv.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

FURTHER = ("torture", "e2e", "warehouse", "postgresql")
"""The markers of what `make test` leaves out."""
PROGRAMS: Mapping[str, str] = {
    "chromium": "chromium fonts-noto-color-emoji",
    "java": "default-jre-headless",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "initdb": "postgresql",
    "logrotate": "logrotate",
    "node": "nodejs",
    "npm": "npm",
    "openssl": "openssl",
    "strace": "strace",
    "systemd-notify": "systemd",
}
"""What the further tiers start, and the Debian packages that it comes with."""
LIBRARIES = frozenset({"duckdb", "ibis", "playwright", "pyarrow", "pyspark"})
"""What only the further tiers import: it drives such a program, or stands for a whole warehouse."""
_POSTGRESQL = Path("/usr/lib/postgresql")
"""Where Debian keeps the server's programs, beside the path."""
_ROOTS = Path("/usr/sbin")
"""Where Debian keeps what only root's path leads to."""


def is_here(program: str) -> bool:
    """Whether a program is on the path, or where Debian keeps PostgreSQL's or root's."""
    return shutil.which(program) is not None or (_ROOTS / program).exists() or any(_POSTGRESQL.glob(f"*/bin/{program}"))


def missing() -> dict[str, str]:
    """The programs that are not here, each with its packages."""
    return {program: packages for program, packages in PROGRAMS.items() if not is_here(program)}


def main(arguments: list[str]) -> int:
    """Say what is missing; return how many programs are, or 0 where only the packages were asked for."""
    gone = missing()
    packages = " ".join(dict.fromkeys(" ".join(gone.values()).split()))
    if arguments == ["--packages"]:
        print(packages)  # noqa: T201 - what a shell reads
        return 0
    if gone:
        print(f"Not here, and needed by these tests: {', '.join(gone)}. Nothing was run. Install them, as root, with")  # noqa: T201
        print(f"  apt-get update && apt-get install --yes --no-install-recommends {packages}")  # noqa: T201
        print("`make test` needs none of them.")  # noqa: T201
    return len(gone)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
