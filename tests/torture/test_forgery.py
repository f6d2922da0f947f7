"""Whoever may write everything that the site's account writes alters the record: one mark outside is enough to find it.

Each way is tried against each kind of outside mark: messages in a channel, a witness in other hands, signed heads. Without any
mark what was made to fit holds by itself, and is never called proven.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from slack_sdk.web.async_client import AsyncWebClient

from bot.blockkit.post import Post
from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from bot.slack.calls import SlackCalls
from bot.slack.channel_marks import channel_marks
from bot.slack.deliveries import Deliveries
from bot.slack.outbox import Outbox
from core.actors import UPKEEP, AccessPolicy, Actor, ActorKind, Approvable, ApprovalRule
from core.brake.brake import freeze
from core.brake.lift import Unfrozen
from core.canonical import canonical_bytes
from core.errors import JournalCorrupt
from core.journal.journal import Journal
from core.journal.marks import Marks
from core.journal.signed_heads import head_of, signed
from core.journal.verification import Verification, verify
from core.operations import propose, requests
from core.operations.results import Asked
from core.settings.surfaces import SlackSettings
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target
from core.upkeep import prune
from tests.support.forging import Copy, Receipts
from tests.support.rig import NOW, Clock

pytestmark = pytest.mark.torture

ACCESS = AccessPolicy(
    operators=frozenset({"UOLIVIA"}),
    approvers=frozenset({"UAARON"}),
    rules={Approvable.UNFREEZE: ApprovalRule(needed=1)},
)
OLIVIA, AARON = (
    Actor(kind=ActorKind.SLACK, id=name, roles=ACCESS.roles_of(name, full_member=True)) for name in ("UOLIVIA", "UAARON")
)
MALLORY = {"id": "UMALLORY", "kind": "slack"}
ANSWERED, WAITS = "answered", "waits"


@dataclass(frozen=True, eq=False)
class Site:
    """A record that nobody altered, and where its marks are.

    Attributes:
        folder: with the record; `older` beside it is what it was some receipts ago.
        names: ids of the request that was answered, and of the one that waits.
        witness: a file that another account would write.
        heads: signed heads, where another account would keep them.
    """

    folder: Path
    names: dict[str, str]
    witness: Path
    heads: Path
    public_key: str
    slack: SlackSettings


def target_in(folder: Path, **options: Any) -> TargetSettings:
    names = {"journal": "journal.sqlite", "receipts_dir": "logs", "run_dir": "run", "settings_file": "anr.env"}
    names |= {"ledger": "ledger.ndjson", "state_file": "state.json", "backups_dir": "backups", "archive_dir": "archive"}
    return TargetSettings(**{name: folder / path for name, path in names.items()}, observe_timeout_s=0, **options)


@pytest.fixture(scope="module")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SlackSettings, Callable[[Journal], None]]]:
    """A workspace on a thread of its own, and what shows the newest receipt in its channel as the bot does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        playground = Playground()
        asyncio.run_coroutine_threadsafe(playground.__aenter__(), loop).result()
        settings = SlackSettings.model_validate(
            {"bot_token": playground.bot_token, "api_url": f"{playground.url}/api/", "channel": CHANNEL}
        )

        async def show(journal: Journal) -> None:
            client = AsyncWebClient(token=playground.bot_token, base_url=settings.api_url)
            with closing(Deliveries(tmp_path_factory.mktemp("slack") / "stories.sqlite")) as deliveries:
                outbox = Outbox(SlackCalls(client), deliveries, CHANNEL, journal=journal)
                newest = journal.receipts(last=1)[0]
                await outbox.show(newest.receipt.operation, Post(text="something happened", blocks=()))

        yield settings, lambda journal: asyncio.run_coroutine_threadsafe(show(journal), loop).result()
        asyncio.run_coroutine_threadsafe(playground.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, slack: tuple[SlackSettings, Callable[[Journal], None]]) -> Site:
    """A prune, freezes, a request that was answered and one that waits; every place has seen the newest receipt."""
    folder, elsewhere = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    settings, show = slack
    witness, heads, key = elsewhere / "witness.log", elsewhere / "heads.jsonl", elsewhere / "key.pem"
    options = target_in(folder, witness_command=("tee", "-a", str(witness)), soak_hours=0)
    options.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    clock = Clock()
    house = Target.at(options, ACCESS, clock)
    propose.init(house, OLIVIA, "begin")
    freeze(house, OLIVIA, "old trouble")
    approved_unfreeze(house, "it was old")
    clock.pass_(days=options.retention.receipts_days + 1)
    freeze(house, OLIVIA, "errors in the checkout")
    prune.prune(house, UPKEEP)
    show(house.journal)
    shutil.copytree(options.receipts_dir, folder / "older" / "logs")
    house.journal.close()
    shutil.copyfile(options.journal, folder / "older" / "journal.sqlite")
    names = {ANSWERED: approved_unfreeze(house, "mended")}
    freeze(house, OLIVIA, "errors again", "slash:trigger-1")
    asked = lift(house, "mended again")
    assert isinstance(asked, Asked)
    names[WAITS] = asked.approval.id
    for open_thread in threading.enumerate():
        if open_thread.name == "anr-witness":
            open_thread.join()
    show(house.journal)
    private = Ed25519PrivateKey.generate()
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    head = house.journal.head()
    assert head is not None
    heads.write_bytes(signed(head_of(head, options.name, clock()), key_file=key, command=()))
    house.journal.close()
    public_key = base64.b64encode(private.public_key().public_bytes_raw()).decode()
    return Site(folder, names, witness, heads, public_key, settings)


def lift(house: Target, reason: str) -> object:
    return propose.unfreeze(house, Order(OLIVIA, reason))


def approved_unfreeze(house: Target, reason: str) -> str:
    asked = lift(house, reason)
    assert isinstance(asked, Asked)
    assert isinstance(requests.approve(house, AARON, asked.approval.id), Unfrozen)
    return asked.approval.id


# --- the ways ---------------------------------------------------------------------------------------------------------

Way = Callable[[Copy, Site], None]


def newest(**facts: Any) -> Callable[[Receipts], Receipts]:
    """Say something else in the newest receipt."""
    return lambda receipts: [*receipts[:-1], {**receipts[-1], **facts}]


def where(test: Callable[[dict[str, Any]], bool], **facts: Any) -> Callable[[Receipts], Receipts]:
    """Say something else in some receipts."""
    return lambda receipts: [{**receipt, **facts} if test(receipt) else receipt for receipt in receipts]


def is_(action: str) -> Callable[[dict[str, Any]], bool]:
    return lambda receipt: bool(receipt["action"] == action)


def signed_by_mallory(request: dict[str, Any]) -> None:
    request["signatures"] = [{**signature, "actor": MALLORY} for signature in request["signatures"]]
    request["decided_by"] = MALLORY


def asked_by_mallory(request: dict[str, Any]) -> None:
    request["requester"] = MALLORY


def with_signatures(receipts: Receipts) -> Receipts:
    return [
        {**receipt, "approvals": [{**signature, "actor": MALLORY} for signature in receipt["approvals"]]}
        if receipt["approvals"]
        else receipt
        for receipt in receipts
    ]


def checkpoint_of(copy: Copy) -> tuple[dict[str, Any], dict[str, Any]]:
    """The receipt of the prune, and a forged state: served at 100%, nothing held."""
    pruned = next(
        json.loads(sealed_receipt.data) for sealed_receipt in copy.sealed() if sealed_receipt.receipt.checkpoint is not None
    )
    return pruned, {**pruned["checkpoint"]["state"], "stage": 100, "holds": [], "person_required": False}


def alter_the_newest_bytes(copy: Copy, _target: Site) -> None:
    head = copy.sealed()[-1]
    copy.sql("UPDATE receipts SET data = ? WHERE seq = ?", values=(head.data.replace(b"mended", b"broken"), head.receipt.seq))


def begin_anew(copy: Copy, _target: Site) -> None:
    """`rm -r ops; anr init`, with options that name no witness."""
    copy.remove_record()
    shutil.rmtree(copy.target.run_dir, ignore_errors=True)
    bare = target_in(copy.target.journal.parent)
    propose.init(Target.at(bare, ACCESS, Clock(NOW + timedelta(days=100))), OLIVIA, "begin")


def cut(count: int, *, files: bool = True, rows: bool = True) -> Way:
    def cut_off(copy: Copy, _target: Site) -> None:
        for sealed_receipt in copy.sealed()[-count:]:
            if rows:
                copy.sql("DELETE FROM receipts WHERE seq = ?", values=(sealed_receipt.receipt.seq,))
            if files:
                copy.file_of(sealed_receipt).unlink()
        if rows and files:
            kept = {sealed_receipt.receipt.approval_id for sealed_receipt in copy.sealed()}
            for name in copy.requests():
                if name not in kept:
                    copy.sql("DELETE FROM approvals WHERE id = ?", values=(name,))

    return cut_off


def older_copy(copy: Copy, _target: Site) -> None:
    copy.put_back(copy.older)


def older_copy_that_goes_on(copy: Copy, _target: Site) -> None:
    """The missing receipts are made up again, as many as there were."""
    count = len(copy.sealed())
    copy.put_back(copy.older)
    bare = Target.at(target_in(copy.target.journal.parent), ACCESS, Clock(NOW + timedelta(days=100)))
    while len(copy.sealed()) < count:
        freeze(bare, OLIVIA, "another story")


def one_checkpoint_for_all(copy: Copy, _target: Site) -> None:
    receipt, state = checkpoint_of(copy)
    head = copy.sealed()[-1].receipt.seq
    checkpoint = {**receipt["checkpoint"], "last": head - 1, "digest": "ab" * 32, "state": state}
    copy.sql("DELETE FROM approvals")
    before = copy.sealed()
    copy.sql("DELETE FROM receipts")
    for sealed_receipt in before:
        copy.file_of(sealed_receipt).unlink()
    copy.insert(canonical_bytes({**receipt, "seq": head, "prev": "ab" * 32, "checkpoint": checkpoint}))


def a_checkpoint_beyond_every_mark(copy: Copy, target: Site) -> None:
    """Its number is higher than any that was shown, as if all of those had been pruned."""
    one_checkpoint_for_all(copy, target)
    (only,) = copy.sealed()
    receipt = json.loads(only.data)
    copy.file_of(only).unlink()
    copy.sql("DELETE FROM receipts")
    seq = receipt["seq"] + 10
    copy.insert(canonical_bytes({**receipt, "seq": seq, "checkpoint": {**receipt["checkpoint"], "last": seq - 1}}))


def a_further_checkpoint(copy: Copy, _target: Site) -> None:
    """It seals all but the newest receipt by their true digests, and says of them what never was."""
    receipt, state = checkpoint_of(copy)
    *gone, _head = copy.sealed()
    last = gone[-1]
    checkpoint = {**receipt["checkpoint"], "last": last.receipt.seq, "digest": last.digest, "state": state}
    copy.append({**receipt, "operation": "f" * 32, "checkpoint": checkpoint})
    for sealed_receipt in gone:
        copy.sql("DELETE FROM receipts WHERE seq = ?", values=(sealed_receipt.receipt.seq,))
        copy.file_of(sealed_receipt).unlink()
    copy.sql("DELETE FROM approvals WHERE id NOT IN (SELECT coalesce(json_extract(data, '$.approval_id'), '') FROM receipts)")


def forged_state(copy: Copy, _target: Site) -> None:
    receipt, state = checkpoint_of(copy)
    copy.rewrite(where(is_("prune"), checkpoint={**receipt["checkpoint"], "state": state}))


def in_row(statement: str, request: str = "") -> Way:
    """Change a row by SQL; `:head` is the newest receipt's number, `:name` the id of the request."""

    def change(copy: Copy, target: Site) -> None:
        with_values = {"head": copy.sealed()[-1].receipt.seq, "name": target.names.get(request, "")}
        for name, value in with_values.items():
            statement_now = statement.replace(f":{name}", repr(value))
            if statement_now != statement:
                copy.sql(statement_now)
                return
        copy.sql(statement)

    return change


def request_says(name: str, **facts: Any) -> Way:
    return lambda copy, target: copy.change_request(target.names[name], **facts)


def rewritten(
    change: Callable[[Receipts], Receipts], name: str = "", edit: Callable[[dict[str, Any]], None] | None = None
) -> Way:
    return lambda copy, target: copy.rewrite(change, **({target.names[name]: edit} if edit else {}))


def swap(copy: Copy, _target: Site) -> None:
    first, second = copy.sealed()[-2:]
    for seq, sealed_receipt in ((first.receipt.seq, second), (second.receipt.seq, first)):
        row = (f"x{seq}", f"x{seq}", sealed_receipt.receipt.operation, sealed_receipt.data, sealed_receipt.digest, seq)
        copy.sql("UPDATE receipts SET id = ?, cause = ?, operation = ?, data = ?, digest = ? WHERE seq = ?", values=row)


def fork(copy: Copy, _target: Site) -> None:
    before, head = copy.sealed()[-2:]
    copy.insert(
        canonical_bytes(
            {**json.loads(head.data), "seq": head.receipt.seq + 1, "prev": before.digest, "id": "fork", "cause": None}
        )
    )


def file_says(change: Callable[[bytes], bytes]) -> Way:
    def write(copy: Copy, _target: Site) -> None:
        path = copy.file_of(copy.sealed()[-1])
        path.write_bytes(change(path.read_bytes()))

    return write


def stray_file(copy: Copy, _target: Site) -> None:
    head = copy.sealed()[-1]
    name = head.file_name.replace(f"_{head.receipt.seq:06d}_", f"_{head.receipt.seq + 1:06d}_")
    (copy.target.receipts_dir / name).write_bytes(head.data)


def a_request_of_nobody(copy: Copy, target: Site) -> None:
    data = canonical_bytes({**copy.requests()[target.names[WAITS]], "id": "forged"})
    copy.sql("INSERT INTO approvals (target, id, status, data) VALUES ('production', 'forged', 'pending', ?)", values=(data,))


def no_longer_unique(copy: Copy, _target: Site) -> None:
    copy.sql(
        "CREATE TABLE other (target VARCHAR(31) NOT NULL, seq INTEGER NOT NULL, id VARCHAR(40), cause VARCHAR(200), "
        "operation VARCHAR(40), data BLOB, digest VARCHAR(64), PRIMARY KEY (target, seq))",
        "INSERT INTO other SELECT target, seq, id, cause, operation, data, digest FROM receipts",
        "DROP TABLE receipts",
        "ALTER TABLE other RENAME TO receipts",
    )


def no_database(copy: Copy, _target: Site) -> None:
    for path in copy.target.journal.parent.glob("journal.sqlite*"):
        path.unlink()


WAYS: list[tuple[str, Way, bool]] = [
    ("the newest receipt's bytes", alter_the_newest_bytes, False),
    ("the newest receipt's digest", in_row("UPDATE receipts SET digest = upper(digest) WHERE seq = :head"), False),
    ("the newest receipt, made to fit: its reason", rewritten(newest(reason="as agreed")), True),
    ("the newest receipt, made to fit: its actor", rewritten(newest(actor=MALLORY), WAITS, asked_by_mallory), True),
    ("the newest receipt, made to fit: its time", rewritten(newest(host="elsewhere")), True),
    ("history rewritten: a stage", rewritten(where(is_("freeze"), stage_after=25)), True),
    ("history rewritten: who braked", rewritten(where(is_("freeze"), actor=MALLORY)), True),
    ("history rewritten: a receipt less", rewritten(lambda receipts: [*receipts[:2], *receipts[3:]]), True),
    (
        "history rewritten: a receipt more",
        rewritten(lambda receipts: [*receipts[:1], {**receipts[0], "id": "x", "operation": "x"}, *receipts[1:]]),
        True,
    ),
    ("history rewritten: another order", rewritten(lambda receipts: [*receipts[:-2], receipts[-1], receipts[-2]]), True),
    ("history rewritten: the gates said GO", rewritten(where(is_("prune"), go=True)), True),
    ("who approved, in chain and request", rewritten(with_signatures, ANSWERED, signed_by_mallory), True),
    ("who approved, in the request alone", request_says(ANSWERED, decided_by=MALLORY, signatures=[]), False),
    ("who asked, in the request alone", request_says(WAITS, requester=MALLORY), False),
    ("how many have to approve", request_says(WAITS, needed=0), False),
    ("until when a request may be approved", request_says(WAITS, expires_at="2030-01-01T00:00:00.000000Z"), False),
    ("what a request is about", request_says(WAITS, subject=["e" * 32]), False),
    ("what a request asks for", request_says(WAITS, action="promote"), False),
    ("which rules a request was made under", request_says(WAITS, policy_digest="0" * 64), False),
    ("a request's status, in its bytes", request_says(ANSWERED, status="pending"), False),
    ("a request's status, in its column", in_row("UPDATE approvals SET status = 'pending' WHERE id = :name", ANSWERED), False),
    ("a request's id", in_row("UPDATE approvals SET id = 'another' WHERE id = :name", WAITS), False),
    ("a request is gone", in_row("DELETE FROM approvals WHERE id = :name", WAITS), False),
    ("a request of nobody", a_request_of_nobody, False),
    ("the tail cut off, files and all", cut(2), True),
    ("the tail cut off, the newest receipt alone", cut(1), True),
    ("the tail cut off, rows alone", cut(2, files=False), False),
    ("the tail cut off, files alone", cut(2, rows=False), False),
    ("an older copy put back", older_copy, True),
    ("an older copy put back, and gone on with", older_copy_that_goes_on, True),
    ("rm -r ops; anr init", begin_anew, True),
    ("a forged checkpoint in place of everything", one_checkpoint_for_all, True),
    ("a forged checkpoint beyond every mark", a_checkpoint_beyond_every_mark, True),
    ("a forged checkpoint behind the newest receipt", a_further_checkpoint, True),
    ("a forged state in the checkpoint", forged_state, True),
    ("a receipt's id", in_row("UPDATE receipts SET id = 'another' WHERE seq = :head"), False),
    ("a receipt's cause", in_row("UPDATE receipts SET cause = 'slash:trigger-2' WHERE cause = 'slash:trigger-1'"), False),
    ("a receipt's cause is gone", in_row("UPDATE receipts SET cause = NULL WHERE cause IS NOT NULL"), False),
    ("a receipt's story", in_row("UPDATE receipts SET operation = 'another' WHERE seq = :head"), False),
    ("a receipt's target", in_row("UPDATE receipts SET target = 'staging' WHERE seq = :head"), False),
    ("a receipt's number is a word", in_row("UPDATE receipts SET seq = 'last' WHERE seq = :head"), False),
    ("two receipts swapped", swap, False),
    ("a forked chain", fork, False),
    ("a file altered", file_says(lambda data: data.replace(b"mended", b"broken")), False),
    ("a file emptied", file_says(lambda _: b""), False),
    ("a file that no receipt accounts for", stray_file, False),
    (
        "a trigger that changes what is recorded",
        in_row("CREATE TRIGGER t AFTER INSERT ON approvals BEGIN UPDATE approvals SET status = 'pending'; END"),
        False,
    ),
    ("causes that need not be unique", no_longer_unique, False),
    ("the database is gone", no_database, False),
    ("nothing is left", lambda copy, _: copy.remove_record(), False),
]
"""What is altered, how, and whether it was made to fit so well that only a mark outside can tell."""


# --- the marks --------------------------------------------------------------------------------------------------------


@cache  # Slack lets nobody read a channel that often in a minute
def read_in_slack(target: Site) -> Marks:
    return channel_marks(target.slack, CHANNEL, "production")


def in_slack(target: Site) -> tuple[Marks, ...]:
    return (read_in_slack(target),)


def at_the_witness(target: Site) -> tuple[Marks, ...]:
    options = target_in(target.folder / "nowhere", witness_read_command=("cat", str(target.witness)))
    return Target.at(options, ACCESS).witnesses.marks()


def in_signed_heads(target: Site) -> tuple[Marks, ...]:
    options = target_in(target.folder / "nowhere", signed_heads=target.heads, signing_public_key=target.public_key)
    return Target.at(options, ACCESS).witnesses.marks()


PLACES = [
    pytest.param(in_slack, id="slack"),
    pytest.param(at_the_witness, id="witness"),
    pytest.param(in_signed_heads, id="signed-heads"),
]


def altered(target: Site, folder: Path, way: Way | None) -> Journal:
    """Copy the record, alter it, and return its journal."""
    place = folder / "copy"
    shutil.copytree(target.folder, place)
    copy = Copy(target_in(place), place / "older")
    if way is not None:
        way(copy, target)
    return copy.journal()


def found(target: Site, folder: Path, way: Way | None, marks: tuple[Marks, ...]) -> Verification:
    with closing(altered(target, folder, way)) as journal:
        return verify(journal, marks)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way, _ in WAYS])
def test_one_mark_outside_finds_it(target: Site, tmp_path: Path, way: Way, place: Callable[[Site], tuple[Marks, ...]]) -> None:
    """Whatever was altered, and however well: it does not verify, with or without `--alone`."""
    (marks,) = places = place(target)
    assert (bool(marks.marks), marks.problem) == (True, "")
    seen = found(target, tmp_path, way, places)
    assert not seen.holds()
    assert seen.flaws or seen.unproven


@pytest.mark.parametrize("place", PLACES)
def test_a_record_that_nobody_altered_is_proven(target: Site, tmp_path: Path, place: Callable[[Site], tuple[Marks, ...]]) -> None:
    """The control: no flaw, and the newest receipt is confirmed by what is outside."""
    seen = found(target, tmp_path, None, place(target))
    assert (seen.flaws, seen.unproven, seen.unseen) == ((), None, None)
    assert seen.holds()
    assert seen.head is not None
    assert seen.proven == seen.head.receipt.seq


@pytest.mark.parametrize("way", [one_checkpoint_for_all, a_checkpoint_beyond_every_mark])
def test_nothing_is_raised_on_a_checkpoint_that_somebody_made_up(target: Site, tmp_path: Path, way: Way) -> None:
    """Its state says 100% and nothing held: whoever decides on a raise sees the witness, and refuses; so does `--alone`."""
    assert not found(target, tmp_path, way, at_the_witness(target)).holds(alone=True)
    options = target_in(tmp_path / "copy", witness_read_command=("cat", str(target.witness)))
    with (
        closing(Target.at(options, ACCESS).journal) as journal,
        pytest.raises(JournalCorrupt, match="not the one that was shown"),
    ):
        journal.state(whole=True)


@pytest.mark.parametrize(("way", "fits"), [pytest.param(way, fits, id=name) for name, way, fits in WAYS])
def test_without_a_mark_nothing_is_proven(target: Site, tmp_path: Path, way: Way, fits: bool) -> None:  # noqa: FBT001 - a table's column
    """What was made to fit holds by itself, which is why that is never called proven; the rest is found all the same."""
    seen = found(target, tmp_path, way, ())
    assert not seen.holds()
    assert seen.unproven is not None
    assert seen.holds(alone=True) is fits


MOUNTED = """
set -e
mount -t tmpfs none "$1"
cp -r "$2"/. "$1"
mount -o remount,ro "$1"
exec "$3" -m bot verify --json
"""


def test_a_record_on_a_read_only_mount_is_verified(target: Site, tmp_path: Path) -> None:
    """The command line, where nothing can be written and no lock taken, against a witness elsewhere."""
    place = tmp_path / "mount"
    place.mkdir()
    options = {
        "JOURNAL": place / "journal.sqlite",
        "RECEIPTS_DIR": place / "logs",
        "RUN_DIR": place / "run",
        "SETTINGS_FILE": place / "anr.env",
        "WITNESS_READ_COMMAND": json.dumps(["cat", str(target.witness)]),
    }
    unshare = shutil.which("unshare") or "unshare"  # util-linux; a mount of our own, gone with the process
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", MOUNTED, "sh", place, target.folder, sys.executable],
        env={**os.environ, "ANR_CONFIG": "", **{f"ANR_TARGET__{name}": str(value) for name, value in options.items()}},
        capture_output=True,
        check=False,
    )
    said = json.loads(done.stdout)
    assert (done.returncode, said["flaws"], said["unproven"]) == (0, [], None), done.stderr
    assert said["proven"] == said["receipts"] + 4
