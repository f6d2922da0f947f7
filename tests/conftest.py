"""A skipped test is a failure: whatever a test needs, the set-up installs. No law fails because a machine is slow."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("untimed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were skipped."""
    for report in terminalreporter.stats.get("skipped", []):
        terminalreporter.write_line(f"skipped, which counts as a failure: {report.nodeid}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if anything was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
