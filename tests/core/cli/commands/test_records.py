import base64
import json
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.cli.output import DONE, FAILED
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig


def test_verify_names_an_altered_receipt(anr: Anr, rig: Rig) -> None:
    """A flaw is an exit code that a script can see; a mark that was posted has to be in the chain."""
    assert anr("init").exit_code == 0
    digest = rig.target.journal.receipts()[0].digest
    assert anr("verify", "--expect", f"1:{digest[:12]}").exit_code == 0
    assert anr("verify", "--expect", "9:000000000000").exit_code == FAILED
    with sqlite3.connect(rig.settings.journal) as connection:
        connection.execute("UPDATE receipts SET digest = 'x'")
    broken = anr("verify", "--alone", "--json")
    assert broken.exit_code == FAILED
    assert "#1 was altered" in json.loads(broken.stdout)["flaws"][0]


def test_without_a_mark_outside_verify_fails_and_says_so(anr: Anr) -> None:
    """A chain that holds by itself is not called proven; `--alone` is content with it."""
    assert anr("init").exit_code == DONE
    done = anr("verify")
    said = " ".join(done.output.split())
    assert done.exit_code == FAILED
    assert "All 1 receipts hold together, rows, requests and files. The newest is #1" in said
    assert "No mark outside was compared" in said
    assert "`--alone` asks for no mark" in said
    assert "verify" not in said
    alone = anr("verify", "--alone")
    assert (alone.exit_code, "--alone" in alone.output) == (DONE, False)
    assert "No mark outside was compared" in " ".join(alone.output.split())


def test_a_cut_tail_without_any_mark_outside_is_not_called_verified(anr: Anr, rig: Rig) -> None:
    """The newest receipt is gone with its file and its row: what is left holds together, and that is all that is said."""
    assert anr("init").exit_code == DONE
    assert anr("freeze", "--reason", "errors").exit_code == DONE
    newest = rig.target.journal.receipts()[-1]
    rig.target.journal.close()
    (rig.settings.receipts_dir / newest.file_name).unlink()
    with sqlite3.connect(rig.settings.journal) as connection:
        connection.execute("DELETE FROM receipts WHERE seq = ?", (newest.receipt.seq,))
    connection.close()
    cut = anr("verify")
    assert (cut.exit_code, "verify" in cut.output) == (FAILED, False)
    shown = anr("verify", "--expect", f"{newest.receipt.seq}:{newest.digest[:12]}")
    assert (shown.exit_code, "cut off" in " ".join(shown.output.split())) == (FAILED, True)


@pytest.mark.parametrize("words", [(), ("--alone",)], ids=["with-marks", "alone"])
def test_no_receipts_are_not_verified(anr: Anr, words: tuple[str, ...]) -> None:
    """Nothing was looked at, so that nothing is said of it, and no journal is made by looking."""
    done = anr("verify", *words)
    assert (done.exit_code, "nothing was verified" in " ".join(done.output.split())) == (FAILED, True)
    said = json.loads(anr("verify", "--json", *words).stdout)
    assert (said["receipts"], said["head"], said["proven"]) == (0, None, 0)


def test_what_was_compared_is_told(anr: Anr, rig: Rig) -> None:
    """Each place with its newest mark; what is newer than all of them was not seen outside yet."""
    assert anr("init").exit_code == DONE
    digest = rig.target.journal.receipts()[0].digest
    assert anr("freeze", "--reason", "errors").exit_code == DONE
    done = anr("verify", "--expect", f"#1 {digest[:12]}")
    said = " ".join(done.output.split())
    assert done.exit_code == DONE
    assert f"the mark that was given: 1 mark(s), the newest in the chain #1 {digest[:12]}" in said
    assert "Marks outside prove #1 to #1; what came after it" in said
    assert anr("verify", "--expect", "last tuesday").exit_code == FAILED


def test_the_export_is_the_receipts_bytes_and_a_head(anr: Anr, rig: Rig) -> None:
    """Each line's digest is what the next one names, so that `sha256sum` alone can follow it; the head names the last."""
    for words in (("init",), ("freeze", "--reason", "errors")):
        assert anr(*words).exit_code == DONE
    *lines, head = anr("receipts", "export").stdout.splitlines(keepends=True)
    digests = [sha256(line.encode()).hexdigest() for line in lines]
    assert [json.loads(line)["prev"] for line in lines[1:]] == digests[:-1]
    assert (json.loads(head)["kind"], json.loads(head)["seq"], json.loads(head)["digest"]) == (
        "anr.head",
        len(lines),
        digests[-1],
    )
    assert anr("receipts", "export", "--after", "1").stdout.splitlines(keepends=True)[:-1] == lines[1:]
    assert len(anr("receipts", "export", "--head").stdout.splitlines()) == 1


def test_a_signed_head_that_was_exported_confirms_the_journal(
    anr: Anr, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is another account's, who appends to a file of its own; here only its public half is known."""
    assert anr("init").exit_code == DONE
    unsigned = anr("receipts", "export", "--head", "--sign")
    assert (unsigned.exit_code, unsigned.stdout) == (1, "")
    private, heads = Ed25519PrivateKey.generate(), tmp_path / "heads.jsonl"
    (tmp_path / "key.pem").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with monkeypatch.context() as auditor:
        auditor.setenv("ANR_TARGET__SIGNING_KEY_FILE", str(tmp_path / "key.pem"))
        heads.write_text(anr("receipts", "export", "--head", "--sign").stdout, encoding="utf-8")
    monkeypatch.setenv("ANR_TARGET__SIGNED_HEADS", str(heads))
    monkeypatch.setenv("ANR_TARGET__SIGNING_PUBLIC_KEY", base64.b64encode(private.public_key().public_bytes_raw()).decode())
    assert anr("verify").exit_code == DONE
    heads.write_text(heads.read_text(encoding="utf-8").replace('"seq":1', '"seq":2'), encoding="utf-8")
    forged = anr("verify", "--alone")
    assert (forged.exit_code, "has no valid signature" in " ".join(forged.output.split())) == (FAILED, True)
    heads.unlink()
    assert anr("verify", "--alone").exit_code == FAILED
