"""Checks of the router's parts: settings file, observed router, slots and ledger.

Excluded: anr's own parts (core/doctor/own_checks.py).
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from core.doctor.check import Check, Health
from core.errors import EndpointUnreadable
from core.ledger.window import moment_of
from core.receipts.observation import Observation, Sight, to_do, told
from core.rollout.drift import DriftKind
from core.router.control import settings_for
from core.router.health import ask_slots
from core.router.version import ask_version
from core.target.target import Target
from core.text import spoken

_MALFORMED_WARN, _MALFORMED_FAIL = 0.001, 0.01
"""Shares of the ledger's lines in the window: a crash leaves a line or two, more is a writer that is broken."""


def settings_file(target: Target, _now: datetime) -> Iterator[Check]:
    """Whether the router's settings can be read, understood and written, and carry the guardrails that the gates assume."""
    yield from _settings_written(target)
    name, settings = "settings file", target.router.settings()
    if settings.stage is None:
        text = f"{target.settings.settings_file} can be read, but the pilot in it cannot be understood."
        yield Check(name, Health.FAIL, text, "Correct NOVA_ANR_PILOT, NOVA_ANR_ENABLED and NOVA_ANR_KILL, or use `rollback`.")
        return
    wanted = settings_for(settings.stage, target.settings.gates.fast_cap) if settings.stage else {}
    loose = sorted(
        variable for variable in wanted if variable != "NOVA_ANR_PILOT" and settings.values.get(variable) != wanted[variable]
    )
    if loose:
        text = f"It serves {settings.stage}%, but without what the gates assume: {', '.join(loose)}."
        yield Check(name, Health.WARN, text, "The next promotion writes them; set them by hand if that should be so now.")
        return
    yield Check(name, Health.OK, f"{target.settings.settings_file} serves {settings.stage}%.")


def _settings_written(target: Target) -> Iterator[Check]:
    """Whether a brake could write the settings so that every router reads them, tried on a file beside theirs."""
    name, trial = "settings write", target.router.try_settings_file()
    told = " ".join((*trial.warnings, *trial.remarks))
    if trial.problem is not None:
        yield Check(name, Health.FAIL, trial.problem, "A brake could not make the router safe. Repair it now, then try again.")
    elif trial.warnings:
        yield Check(name, Health.WARN, told, "docs/configuration.md says how the settings file is written and who reads it.")
    else:
        yield Check(name, Health.OK, f"It can be written, and its readers agree on it. {told}".rstrip())


def observed_router(target: Target, now: datetime) -> Iterator[Check]:
    """Whether the running router shows what settings and journal say."""
    name = "observed router"
    if target.settings.ledger_is_a_table and not target.settings.observe.url:
        text = (
            "It cannot be seen whether the running router follows a brake or a promotion: its ledger is a table, which is not "
            "followed, and it has no endpoint."
        )
        yield Check(name, Health.WARN, text, "Set `target.observe`; until then look at the router yourself after every brake.")
    facts = target.facts(whole=False)
    seen = facts.observation
    if (drift := facts.difference) is not None:
        exported = "" if seen is None or not seen.sight.contradicts else f" {_beaten_by_its_launcher(seen)}"
        ends = "An approver uses `drift reapply` or `drift accept`; anybody `rollback`."
        if drift.kind is DriftKind.BRAKED:
            ends = "Anybody uses `rollback` or `anr recover`, which records it."
        yield Check(name, Health.FAIL, drift.text, f"{ends}{exported}")
        return
    if facts.state.stage is None:
        yield Check(name, Health.WARN, "The journal has not begun, or does not know the stage.", "Use `anr init`, or `rollback`.")
    elif seen is not None and (facts.state.stage == 0 or not seen.sight.is_open):
        yield _seen(name, seen)
    elif facts.seen is None or not facts.seen.shows(facts.state.stage):
        text = f"The running router was not seen to serve {facts.state.stage}% in its ledger yet."
        yield Check(name, Health.WARN, text, "See whether it runs, was reloaded, and writes its ledger.")
    else:
        yield Check(name, Health.OK, f"It serves {facts.state.stage}%, last seen {spoken(now - facts.seen.at)} ago.")


def _seen(name: str, seen: Observation) -> Check:
    if seen.sight.is_seen:
        return Check(name, Health.OK, told(seen))
    health = Health.FAIL if seen.sight.contradicts or seen.sight is Sight.NOT_SERVING else Health.WARN
    step = to_do(seen) or "See whether it runs, was restarted, and writes its ledger."
    exported = _beaten_by_its_launcher(seen) if health is Health.FAIL else ""
    return Check(name, health, told(seen), f"{step} {exported}".rstrip())


def _beaten_by_its_launcher(seen: Observation) -> str:
    """Say why a router that was restarted may not have the settings of its file."""
    if not seen.restarted:
        return "Nothing restarted it: set `reload_command` to what does."
    return (
        "It was restarted and does not do what its file says: its launcher may export NOVA_ANR_… itself, which beats the file, "
        "or `reload_command` does not restart every worker."
    )


def router_version(target: Target, _now: datetime) -> Iterator[Check]:
    """What the configured command says of the router's version, if there is one."""
    if not target.settings.version_command:
        return
    name = "router version"
    try:
        yield Check(name, Health.OK, f"The version command says {ask_version(target.settings)}.")
    except EndpointUnreadable as error:
        remedy = "Receipts go on with the version that was told last. Try `version_command` as the account that runs anr."
        yield Check(name, Health.WARN, str(error), remedy)


def slots(target: Target, _now: datetime) -> Iterator[Check]:
    """Whether every critical slot is healthy."""
    name, health = "slots", ask_slots(target.settings)
    if health.error is not None:
        where = " or ".join(target.settings.health_urls)
        yield Check(name, Health.FAIL, f"{health.error}.", f"See whether {where} is the right address.")
        return
    ill = [slot for slot in target.settings.gates.critical_slots if health.statuses.get(slot) != "healthy"]
    if ill:
        states = ", ".join(f"{slot} is {health.statuses.get(slot, 'missing')}" for slot in ill)
        yield Check(name, Health.FAIL, f"{states}.", "Make every critical slot healthy; the gate blocks until then.")
        return
    yield Check(name, Health.OK, f"All {len(target.settings.gates.critical_slots)} critical slots are healthy.")


def ledger(target: Target, now: datetime) -> Iterator[Check]:
    """Whether the ledger exists, can be read, is fresh and well-formed."""
    name, options = "ledger", target.settings
    metrics = target.figures(now, options.window_minutes)
    where = "The ledger table" if options.ledger_is_a_table else _size_of(options.ledger)
    if metrics.newest_us is None:
        text = f"{where} has no entry in the window, so that every gate is without data."
        yield Check(name, Health.FAIL, text, "See whether the router runs and writes its ledger.")
    elif (age := now - moment_of(metrics.newest_us)).total_seconds() > options.gates.fresh_minutes * 60:
        text = f"The newest entry is {spoken(age)} old in {where}; at most {options.gates.fresh_minutes:g} min is fresh."
        yield Check(name, Health.FAIL, text, "See whether the router runs and writes its ledger.")
    else:
        yield Check(name, Health.OK, f"{where} is {spoken(age)} old at its newest entry.")
    yield _well_formed(metrics.figures.decisions, dict(metrics.skipped))


def _size_of(ledger: Path) -> str:
    return f"{ledger} ({ledger.stat().st_size:,} bytes)"


def _well_formed(decisions: int, skipped: dict[str, int]) -> Check:
    name, bad = "ledger lines", skipped.get("malformed", 0) + skipped.get("undated", 0)
    share = bad / (decisions + bad) if decisions + bad else 0.0
    told = f"{bad:,} lines are malformed or undated, {share:.2%} of those of the window"
    if future := skipped.get("future", 0):
        text = f"{future:,} entries are dated more than 5 minutes after now."
        return Check(name, Health.FAIL, text, "Compare this machine's clock with the router's, and set the wrong one right.")
    if share > _MALFORMED_FAIL:
        return Check(name, Health.FAIL, f"{told}.", "Find out what writes them; they are counted, and never skipped in silence.")
    if share > _MALFORMED_WARN:
        return Check(name, Health.WARN, f"{told}.", "A crash leaves one or two; see what wrote more.")
    return Check(name, Health.OK, f"{told}.")
