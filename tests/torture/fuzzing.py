"""What reads bytes from outside, each as a function that raises nothing but what is documented. Fuzzed by Hypothesis and atheris.

python -m tests.torture.fuzzing settings_file CORPUS -runs=20000 -seed=1     # atheris; options are libFuzzer's
"""

import atexit
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

try:
    import atheris
except ImportError:  # atheris is for Linux and not for every Python; Hypothesis goes over the same functions everywhere
    atheris = None

if atheris is not None and __name__ == "__main__":
    with atheris.instrument_imports(include=["bot.commands.parse", "core", "dotenv"]):
        from bot.commands import command, parse
        from core.alerts import payload, reading, rules
        from core.ledger import decode, entry, window
        from core.receipts import chain, receipt
        from core.router import control, envfile
        from core.router import marks as brake_marks
        from core.scan import scan, tail
        from core.settings import target
else:
    from bot.commands import command, parse
    from core.alerts import payload, reading, rules
    from core.ledger import decode, entry, window
    from core.receipts import chain, receipt
    from core.router import control, envfile
    from core.router import marks as brake_marks
    from core.scan import scan, tail
    from core.settings import target

from core.canonical import parse_moment
from core.errors import LedgerUnreadable, SettingsFileError
from tests.torture.alerts import pages, real

NOW = parse_moment("2025-10-01T09:05:00Z")
_FOLDER = Path(tempfile.mkdtemp(prefix="fuzzing-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_LEDGER, _SETTINGS = _FOLDER / "ledger.ndjson", _FOLDER / "anr.env"


def ledger_reader(data: bytes) -> None:
    """Decode lines, measure a window over them as a file, and look at its tail: only LedgerUnreadable may come out."""
    for line in data.split(b"\n"):
        entry.read_line(line)
    decode.decode(data)
    _LEDGER.write_bytes(data)
    try:
        scan.scan(_LEDGER, window.Window.ending(NOW, 1440), 0.15)
        tail.newest_pilot(_LEDGER)
    except LedgerUnreadable:
        return


def receipts_verifier(data: bytes) -> None:
    """Unseal bytes, and verify a chain of them: only ValueError may come out, and the chain of garbage has flaws."""
    try:
        sealed = chain.unseal(data)
    except ValueError:
        sealed = None
    parts = data.split(b"\0") if sealed is None else [data]
    flaws = chain.flaws_in_chain([(seq, part, "0" * 64) for seq, part in enumerate(parts, 1)], target="production")
    assert flaws, "no digest is all zeros"
    assert sealed is None or sealed.data == data


def settings_file(data: bytes) -> None:
    """Read settings, and put the router in its safe ones: only SettingsFileError may come out.

    Without a problem every reader of the file gets the safe settings; what is no text is as it was, and a problem.
    """
    envfile.settings_in(data.decode("utf-8", "surrogateescape"))
    _SETTINGS.write_bytes(data)
    router = control.Router(
        target.TargetSettings(settings_file=_SETTINGS), brake_marks.Brake(_FOLDER / "run" / "brake", _FOLDER / "spare")
    )
    with contextlib.suppress(SettingsFileError):
        _ = router.settings().stage
    problems = router.make_safe()
    for kept in _SETTINGS.parent.glob(f"{_SETTINGS.name}.before-*"):
        assert kept.read_bytes() == data
        kept.unlink()
    written = _SETTINGS.read_bytes()
    if written == data and problems:
        return
    misreading = envfile.misread(written.decode(), control.SAFE_SETTINGS)
    assert (misreading is None) == (problems == ()), (misreading, problems)


def command_parser(data: bytes) -> None:
    """Understand a command: nothing may come out but a command or an explanation."""
    understood = parse.parse(data.decode("utf-8", "replace"), ("production", "staging"))
    assert isinstance(understood, (command.Addressed, command.Misunderstood))


def alert_payloads(data: bytes) -> None:
    """Read a payload: only NoJsonObject may come out; a page that plain `json` finds freezes, or is not called judged."""
    try:
        found = payload.judge(reading.read_notification(data), rules.AlertPolicy())
    except reading.NoJsonObject:
        assert not pages(data), "a page in what is called no object"
        return
    freezes = any(alert.effect == "freeze" and alert.status == "firing" for alert in found.facts)
    assert freezes or found.unjudged or not pages(data), "a page that is not braked"


_LINE = (
    b'{"id":"a","t":"2025-10-01T09:00:00.123Z","shadow":{"argmax":"R2","probs":{"R3":0.1}},"live":{"route":"R2","pilot":0.1},'
    b'"anomaly":{"engaged":0},"rewards":{"immediate":{"tri_delta_norm":0.12},"deployment":{"rollback":0}}}\n'
)
TARGETS: Mapping[Callable[[bytes], None], tuple[bytes, ...]] = {
    ledger_reader: (
        _LINE * 3,
        b"\xef\xbb\xbf" + _LINE,
        _LINE.replace(b"0.12", b"NaN") + b'{"t":',
        b'{"t":"2025-02-30T25:61:00+99:99"}\n',
    ),
    receipts_verifier: (
        chain.seal(
            receipt.Draft.model_validate(
                {
                    "id": "a",
                    "operation": "o",
                    "ts": NOW,
                    "action": "init",
                    "phase": "event",
                    "actor": {"kind": "slack", "id": "U1"},
                    "stage_after": 10,
                }
            ),
            target="production",
            seq=1,
            prev=chain.GENESIS,
        ).data,
        b"{}\0[]\0null",
    ),
    settings_file: (
        b"# ours\nOTHER='a b'\r\nexport NOVA_ANR_ENABLED=1 # on\nNOVA_ANR_PILOT=\"0.10\"\n\nNOVA_ANR_KILL = 0",
        b"NOVA_ANR_PILOT='0.1\nNOVA_ANR_PILOT\n=x\n\xef\xbb\xbf${A}",
    ),
    command_parser: (
        b"promote 25% --dry-run looks good",
        b"freeze staging 2h <@U1> `x`",
        b"approve abc",
        b"verify 12:0c6082f58fd0",
    ),
    alert_payloads: (
        json.dumps(real()).encode(),
        json.dumps(real(severity="warning")).encode(),
        b'{"alerts": [{"status": "firing", "labels": {"component": "anr", "severity": "page"}}, null], "x": [{"a": "\\"]"}]}',
    ),
}
"""Each function, with examples from which bytes are varied."""


def main() -> None:
    """Fuzz one function with atheris until it has had its runs."""
    names = {function.__name__: function for function in TARGETS}
    function = names[sys.argv[1]]
    corpus = Path(sys.argv[2])
    for number, example in enumerate(TARGETS[function]):
        (corpus / f"example-{number}").write_bytes(example)
    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[3:]], function)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
