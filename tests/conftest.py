"""A skipped test is a failure: whatever a test needs, the set-up installs. No law fails because a machine is slow."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from core.system import logs

pytest_plugins = ["tests.support.rig"]

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("untimed")

_FIGURE = "figure"
_MEMORY = Path("/dev/shm")  # noqa: S108 - as pytest's own folder, one of ours is made in it
_ROOM_BYTES = 2 << 30


def pytest_configure() -> None:
    """Write into memory, if it has room and nobody chose a TMPDIR: a disk's speed is nothing that a test looks at.

    Processes die here and writes fail, and to both a file system in memory is as good as any; power is never cut.
    """
    if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def pytest_xdist_auto_num_workers() -> int:
    """Two processes of tests for each core: half of what a test of a bot does is to wait for another process."""
    return 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2 * (os.cpu_count() or 1)


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print what a test counted or measured at the end of the run, where CI shows it."""
    return lambda text: record_property(_FIGURE, text)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Whatever a test's command line or bot did to this process's logging ends with the test."""
    root, known = logging.getLogger(), set(logs._secrets)
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in ("core", "bot", "apscheduler", "slack_sdk")}
    yield
    root.handlers = [
        handler for handler in root.handlers if handler in handlers or not isinstance(handler.formatter, logs.Redacting)
    ]
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logs._secrets.clear()
    logs._secrets.update(known)
    logs._about.clear()
    structlog.contextvars.clear_contextvars()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures, and say which tests were skipped."""
    calls = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    figures = [str(value) for report in calls for name, value in report.user_properties if name == _FIGURE]
    if figures:
        terminalreporter.section("figures")
        for text in sorted(figures):
            terminalreporter.write_line(text)
    for report in terminalreporter.stats.get("skipped", []):
        terminalreporter.write_line(f"skipped, which counts as a failure: {report.nodeid}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if anything was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
