"""The checks of what is anr's own and the machine's: state file, lock, journal, disk, permissions, clock, zone, schedule.

Excluded: the router's parts (core/doctor/check.py), and repairing.
"""

import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

from core.doctor import check, router_checks
from core.doctor.check import Check, Examine, Health, examine
from core.errors import SettingsFileError
from core.gates.guard import GuardMode
from core.journal.copies.copies import wrong_with
from core.journal.verification import verify
from core.receipts.cause import Daily
from core.receipts.state_content import listed, problem_in, routes_in
from core.rollout.blockers import codes
from core.rollout.refusals import Code
from core.rollout.schedule import due, next_run
from core.router.backups import read_state
from core.router.state_lock import router_lock
from core.system.files import read_bounded, write_durably
from core.target.lock import HOLDER, holder_of
from core.target.overview import look
from core.target.refusals import refusals, unmatched
from core.target.target import MAX_OPERATION_SECONDS, Target
from core.text import spoken
from core.upkeep.journal_copy import copies_of, newest_copy
from core.watch.clock import newest_jump
from core.watch.guard import failing_looks

_STATE_PATH = "NOVA_ANR_STATE_PATH"
"""Where the router keeps its state, in its settings."""
_STATE_STALE = timedelta(hours=24)
_JUMP_TOLD_FOR = timedelta(days=1)
_COPY_STALE = timedelta(hours=49)
"""A day's copy is made at any time of the day, and one may fail before somebody has to look."""
_SPACE_WARN, _SPACE_FAIL = 1 << 30, 100 << 20
"""Bytes free: below the first there is time to act, below the second a receipt may soon find no room."""
_PROBE_BYTES = 64 << 10
_LOCK_SECONDS = 1.0
"""How long the router's own lock is waited for; the router holds it for milliseconds."""


def check_up(target: Target, *, stray: Sequence[str] = (), secrets_in: Path | None = None) -> tuple[Check, ...]:
    """Examine everything but Slack.

    Args:
        target: the router that is meant.
        stray: names of router settings that stand in this process's environment.
        secrets_in: the file from which the options were read; None if there is none.
    """

    def environment(_target: Target, _now: datetime) -> Iterator[Check]:
        yield from _environment(stray, secrets_in)

    examinations: tuple[tuple[str, Examine], ...] = (
        ("environment", environment),
        ("settings file", router_checks.settings_file),
        ("restart", check.restart),
        ("restore commands", check.restore_commands),
        ("observed router", router_checks.observed_router),
        ("router version", router_checks.router_version),
        ("slots", router_checks.slots),
        ("ledger", router_checks.ledger),
        ("state file", _state_file),
        ("operation lock", _operation_lock),
        ("journal", _journal),
        ("journal copies", _journal_copies),
        ("disk space", _disk_space),
        ("permissions", _permissions),
        ("clock", _clock),
        ("zone", _zone),
        ("schedule", _schedule),
        ("promotion", _promotion),
        ("alert webhook", _alert_webhook),
    )
    return examine(target, examinations)


def _environment(stray: Sequence[str], secrets_in: Path | None) -> Iterator[Check]:
    name = "environment"
    if stray:
        text = f"{', '.join(stray)} stand in the environment of this shell; a router that runs already never sees them."
        yield Check(name, Health.WARN, text, "Unset them: only the settings file and a restart reach the router.")
    else:
        text = f"anr {version('anr')}, Python {platform.python_version()} on {platform.system()} {platform.release()}."
        yield Check(name, Health.OK, text)
    if secrets_in is not None and _is_readable_by_others(secrets_in):
        text = f"{secrets_in} holds a token or secret, and others on this machine may read it."
        yield Check("secrets", Health.WARN, text, f"Run `chmod 600 {secrets_in}`, or keep them in the environment.")


def _is_readable_by_others(options: Path) -> bool:
    if os.name != "posix" or not options.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return False
    return any(name in read_bounded(options, 1 << 20) for name in (b"_token", b"signing_secret"))


def _state_file(target: Target, now: datetime) -> Iterator[Check]:
    name, path = "state file", target.settings.state_file
    remedy = "Look at `anr backups`, then `anr restore NAME`; the router begins anew without its state."
    yield from _other_state_path(target)
    if not path.exists():
        yield Check(name, Health.WARN, f"{path} does not exist.", f"See whether `state_file` names the right file. {remedy}")
        return
    try:
        with router_lock(path, wait_s=_LOCK_SECONDS, create=False):
            data = read_state(path)
    except OSError as error:
        text = f"{path} cannot be read ({error.strerror or error})."
        yield Check(name, Health.FAIL, text, "Let the account that runs anr read it; no backup can be made until then.")
        return
    if problem_in(data) is not None:
        yield Check(name, Health.FAIL, f"{path} ({len(data):,} bytes) is corrupt: it is not a JSON object.", remedy)
        return
    age = now - datetime.fromtimestamp(path.stat().st_mtime, now.tzinfo)
    told = f"{path} is valid, {len(data):,} bytes, {spoken(age)} old"
    yield from _other_routes(target, data)
    if age > _STATE_STALE:
        yield Check(name, Health.WARN, f"{told}.", "See whether the router still learns and writes its state.")
    else:
        yield Check(name, Health.OK, f"{told}.")


def _other_state_path(target: Target) -> Iterator[Check]:
    """Whether the router's settings name another state file than ours: then we would back up what nobody learns in."""
    try:
        named = target.router.settings().values.get(_STATE_PATH)
    except SettingsFileError:
        return  # the check of the settings file says so
    if not named:
        return
    options = target.settings
    file = Path(named)
    here = file if file.is_absolute() else options.settings_file.parent / file
    if os.path.normcase(os.path.realpath(here)) == os.path.normcase(os.path.realpath(options.state_file)):
        return
    read = (
        ""
        if file.is_absolute()
        else f" (taken from {options.settings_file.parent.resolve()}; its own working folder is not known)"
    )
    text = (
        f"{options.settings_file} says that the router keeps its state in {named}{read}, "
        f"but `state_file` is {options.state_file}."
    )
    remedy = f"Set `state_file` to the file that the router writes, or {_STATE_PATH} to a whole path; no other is backed up."
    yield Check("state file", Health.FAIL, text, remedy)


def _other_routes(target: Target, data: bytes) -> Iterator[Check]:
    """Whether the state has learned about other routes than it had when it was backed up last."""
    newest = target.backups.newest_valid()
    before = None if newest is None else target.backups.routes_of(newest)
    now = routes_in(data)
    if newest is None or before is None or now is None or before == now:
        return
    text = f"The state has the routes {listed(now)}, but its newest backup {newest.name} has {listed(before)}."
    remedy = (
        "See whether the router was changed, or wrote another state; `anr restore` puts the earlier one back if it is wanted."
    )
    yield Check("state file", Health.WARN, text, remedy)


def _operation_lock(target: Target, now: datetime) -> Iterator[Check]:
    name, holder = "operation lock", holder_of(target.settings.run_dir)
    if holder is None:
        yield Check(name, Health.OK, "Nobody holds it.")
        return
    held_since = _held_since(target.settings.run_dir)
    if held_since is not None and (now - held_since).total_seconds() <= MAX_OPERATION_SECONDS:
        yield Check(name, Health.WARN, f"Held by {holder}.", "Wait until it has ended; `rollback` and `freeze` do not need it.")
        return
    text = f"Held by {holder}: longer than any operation may last."
    yield Check(name, Health.FAIL, text, "End that process; the lock is freed with it. `rollback` and `freeze` do not need it.")


def _held_since(run_dir: Path) -> datetime | None:
    try:
        return datetime.fromisoformat(json.loads(read_bounded(run_dir / HOLDER, 4096))["since"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _journal(target: Target, _now: datetime) -> Iterator[Check]:
    name, journal = "journal", target.journal
    remedy = "Run `anr verify`, then `anr journal check`: its copies may be whole. `rollback` and `freeze` still work."
    if damage := journal.damage():
        yield Check(name, Health.FAIL, f"{damage}.", remedy)
        return
    verified = verify(journal, target.witnesses.marks())
    readable, flaws = verified.readable, verified.flaws
    missing = [flaw for flaw in flaws if flaw.missing_file]
    if grave := [flaw for flaw in flaws if flaw not in missing]:
        yield Check(name, Health.FAIL, f"{len(grave)} flaw(s) in {len(readable)} receipts; first: {grave[0].problem}.", remedy)
        return
    state = journal.state()
    waiting = len(target.brake.unrecorded())
    if missing or waiting or state.unsettled:
        parts = [
            f"{len(missing)} receipt file(s) missing" if missing else "",
            f"{waiting} brake(s) not recorded yet" if waiting else "",
            f"operation #{state.unsettled.seq} without an outcome" if state.unsettled else "",
        ]
        yield Check(name, Health.WARN, f"{', '.join(part for part in parts if part)}.", "Run `anr recover`.")
    elif readable.head is None:
        yield Check(name, Health.WARN, "It has not begun; promotion is blocked.", "Run `anr init` once.")
    else:
        proven = f"Marks outside prove #1 to #{verified.proven}." if verified.proven else "No mark outside was compared."
        text = f"All {len(readable)} receipts verify, their files too. The newest is {readable.head.mark}. {proven}"
        yield Check(name, Health.OK, text)


def _journal_copies(target: Target, now: datetime) -> Iterator[Check]:
    name, found = "journal copies", copies_of(target).found()
    remedy = "See whether `anr bot` runs, which copies it daily, and what its log says; or run `anr journal backup`."
    if not found:
        if target.journal.head() is not None:
            yield Check(name, Health.WARN, newest_copy(target, now), remedy)
        return
    if problem := wrong_with(found[0].path):
        text = f"The newest copy {found[0].path} is no good one: {problem}."
        yield Check(
            name, Health.FAIL, text, "See whether its disk is failing; run `anr journal backup`, then `anr journal check`."
        )
    elif now - found[0].made_at > _COPY_STALE:
        yield Check(name, Health.WARN, newest_copy(target, now), remedy)
    else:
        yield Check(name, Health.OK, newest_copy(target, now))


def _places(target: Target) -> dict[Path, str]:
    """The folders that anr writes in, with what for."""
    options = target.settings
    places = {
        options.run_dir: "lock and brake",
        options.receipts_dir: "receipts",
        options.journal.parent: "journal",
        options.settings_file.parent: "the router's settings",
    }
    return {path.resolve(): what for path, what in places.items()}


def _disk_space(target: Target, _now: datetime) -> Iterator[Check]:
    name = "disk space"
    free = {_existing(path): shutil.disk_usage(_existing(path)).free for path in _places(target)}
    least = min(free, key=lambda path: free[path])
    told = f"{free[least] / (1 << 20):,.0f} MB are free on the disk of {least}."
    if free[least] < _SPACE_FAIL:
        yield Check(name, Health.FAIL, told, "Free some: receipts and settings soon find no room.")
    elif free[least] < _SPACE_WARN:
        yield Check(name, Health.WARN, told, "Free some soon.")
    else:
        yield Check(name, Health.OK, told)


def _permissions(target: Target, _now: datetime) -> Iterator[Check]:
    """Write a small file into each folder, for real: permission bits do not tell of a full or read-only disk."""
    name, failed = "permissions", []
    for path, what in _places(target).items():
        try:
            with tempfile.TemporaryDirectory(prefix=".anr-doctor-", dir=_existing(path)) as probe:
                write_durably(Path(probe) / "probe", b"\0" * _PROBE_BYTES)
        except OSError as error:
            failed.append(f"{path} ({what}): {error.strerror or error}")
    if failed:
        text = f"It cannot be written in {'; '.join(failed)}."
        yield Check(name, Health.FAIL, text, "Let the account that runs anr write there, or free the disk.")
    else:
        yield Check(name, Health.OK, f"It can be written in all {len(_places(target))} folders that anr writes in.")


def _existing(path: Path) -> Path:
    return next(folder for folder in chain([path], path.parents) if folder.is_dir())


def _clock(target: Target, now: datetime) -> Iterator[Check]:
    name, last = "clock", target.journal.receipts(last=1)
    if last and last[0].receipt.ts > now:
        ahead = spoken(last[0].receipt.ts - now)
        text = f"It is {now:%Y-%m-%d %H:%M} UTC, but the newest receipt is {ahead} later: the clock was set back."
        yield Check(name, Health.FAIL, text, "Set the clock right (NTP); ages, soaks and expiries are wrong until then.")
        return
    jump = newest_jump(target.settings.run_dir)
    if jump is not None and jump.back is not None and abs(now - jump.noticed) < _JUMP_TOLD_FOR:
        text = f"The clock was set back by {spoken(jump.back)}, which the bot noticed at {jump.noticed:%Y-%m-%d %H:%M} UTC."
        yield Check(name, Health.WARN, text, "See to NTP; ages, soaks and expiries from before are wrong by as much.")
        return
    yield Check(name, Health.OK, f"It is {now:%Y-%m-%d %H:%M:%S} UTC, after every receipt.")


def _zone(target: Target, now: datetime) -> Iterator[Check]:
    name, schedule = "zone", target.settings.schedule
    here, there = now.astimezone(), now.astimezone(ZoneInfo(schedule.zone))
    told = f"The daily run is at {schedule.at:%H:%M} {schedule.zone}, where it is {there:%H:%M} now"
    if here.utcoffset() != there.utcoffset():
        text = f"{told}; on this machine it is {here:%H:%M} ({here.tzname()})."
        yield Check(name, Health.WARN, text, "If that is not meant, set `schedule.zone` to the zone in which you work.")
    else:
        yield Check(name, Health.OK, f"{told}, as on this machine.")


def _schedule(target: Target, now: datetime) -> Iterator[Check]:
    name, schedule, state = "schedule", target.settings.schedule, target.journal.state()
    run_at = next_run(now, schedule)
    told = f"Next daily run {run_at:%Y-%m-%d %H:%M} UTC ({schedule.promotion})"
    if state.paused is not None:
        text = f"Paused by {state.paused.actor.id} for {spoken(now - state.paused.since)}. {told}, which only reports."
        yield Check(name, Health.WARN, text, "`schedule resume` lets it go on.")
    elif (day := due(now, schedule)) is not None and state.since is not None and _is_missing(target, now, day):
        text = f"The run of {day} was due and was not made. {told}."
        yield Check(name, Health.FAIL, text, "See whether `anr bot` runs; it makes the run within the grace. Or run `anr daily`.")
    else:
        yield Check(name, Health.OK, f"{told}.")
    yield _guard(target, now)


def _is_missing(target: Target, now: datetime, day: date) -> bool:
    """Whether the run of a date is late by more than the minutes that it may take to begin."""
    if target.journal.find_cause(Daily(day)) is not None:
        return False
    while_ago = now - timedelta(minutes=10)
    was_due, oldest = due(while_ago, target.settings.schedule), target.journal.oldest()
    return was_due == day and oldest is not None and oldest.receipt.ts < while_ago


_FAULTS = frozenset({Code.UNREADABLE, Code.DRIFT, Code.UNSETTLED, Code.BRAKE_ENGAGED, Code.NO_APPROVERS, Code.STAGE_UNKNOWN})
"""What stands in the way because something is wrong; the rest is how a rollout goes."""


def _promotion(target: Target, _now: datetime) -> Iterator[Check]:
    name, found = "promotion", look(target).blockers
    if not found:
        yield Check(name, Health.OK, "Nothing stands in its way.")
        return
    wrong = any(blocker.code in _FAULTS for blocker in found)
    text = f"In its way: {codes(found)}."
    yield Check(name, Health.WARN if wrong else Health.OK, text, "`why` says whose each is and how to lift it." if wrong else "")


def _alert_webhook(target: Target, now: datetime) -> Iterator[Check]:
    name, refused = "alert webhook", refusals(target.settings.run_dir, now)
    if refused:
        text = f"In the last hour it refused: {'; '.join(refusal.told for refusal in refused)}"
        yield Check(name, Health.FAIL, text, "An alert may not have frozen: see Alertmanager's log and its credentials.")
    else:
        yield Check(name, Health.OK, "Nobody was refused in the last hour.")
    if names := unmatched(target.settings.run_dir, now):
        text = f"No rule matches these alerts of the last day, though they name ANR: {', '.join(sorted(names))}."
        yield Check("unmatched alerts", Health.WARN, text, 'Give them the label component="anr", or a rule in `alerts.rules`.')


def _guard(target: Target, now: datetime) -> Check:
    name, policy, series = "guard", target.settings.guard, failing_looks(target)
    if policy.mode is GuardMode.OFF:
        return Check(name, Health.WARN, "It is switched off.", "Set `guard.mode` to `observe` or `act`.")
    told = f"It looks every {policy.every_minutes} min and {'freezes' if policy.mode is GuardMode.ACT else 'only observes'}"
    if series.failing:
        text = (
            f"{told}; {len(series.failing)} of {policy.failures} looks in a row failed: {'; '.join(series.failing[-1].reasons)}."
        )
        return Check(name, Health.WARN, text, "Look at the router now.")
    last = f", last {spoken(now - series.last.at)} ago" if series.last else ", not yet"
    return Check(name, Health.OK, f"{told}{last}.")
