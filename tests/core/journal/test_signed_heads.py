"""Signed heads, held against OpenSSL, which nobody here wrote."""

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.canonical import canonical_bytes
from core.errors import ConfigurationError
from core.journal.marks import Mark
from core.journal.signed_heads import head_of, heads_in, signed

pytestmark = pytest.mark.torture  # a machine with Python, make and git alone may have no `openssl`
OPENSSL = shutil.which("openssl") or "openssl"
MARK = Mark(seq=12, digest="0c6082f58fd0" + "ab" * 26)
HEAD = head_of(MARK, "production", datetime(2025, 10, 1, 9, 5, tzinfo=UTC))


def openssl(*words: str) -> bytes:
    return subprocess.run([OPENSSL, *words], check=True, capture_output=True).stdout


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key as OpenSSL makes it."""
    path = tmp_path / "head.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", str(path))
    return path


def public(key: Path) -> str:
    """The public key as docs/trust.md takes it out."""
    return base64.b64encode(openssl("pkey", "-in", str(key), "-pubout", "-outform", "DER")[-32:]).decode()


def test_openssl_verifies_what_was_signed(key: Path, tmp_path: Path) -> None:
    """The signature is plain Ed25519 over the line in canonical form without it."""
    line = json.loads(signed(HEAD, key_file=key, command=()))
    (tmp_path / "signature").write_bytes(base64.b64decode(line.pop("signature")))
    (tmp_path / "data").write_bytes(canonical_bytes(line))
    files = ("-in", str(tmp_path / "data"), "-sigfile", str(tmp_path / "signature"))
    assert b"Verified Successfully" in openssl("pkeyutl", "-verify", "-inkey", str(key), "-rawin", *files)


@pytest.mark.parametrize("armour", ["", " | base64"], ids=["raw", "base64"])
def test_what_a_command_signs_is_verified(key: Path, tmp_path: Path, armour: str) -> None:
    """The key may belong to an account that only signs."""
    sign = f"cat > {tmp_path}/data; {OPENSSL} pkeyutl -sign -inkey {key} -rawin -in {tmp_path}/data{armour}"
    (tmp_path / "heads").write_bytes(signed(HEAD, key_file=None, command=("sh", "-c", sign)))
    found = heads_in(tmp_path / "heads", public(key), "production")
    assert (found.marks, found.problem, found.outside) == ((MARK,), "", True)


FORGED: dict[str, dict[str, Any]] = {
    "another-number": {"seq": 13},
    "another-digest": {"digest": "f" * 64},
    "another-time": {"at": "2025-10-02T09:05:00.000000Z"},
    "something-more": {"note": "x"},
    "no-signature": {"signature": ""},
    "half-a-signature": {"signature": base64.b64encode(b"x" * 32).decode()},
    "no-base64": {"signature": "***"},
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_head_that_was_changed_is_a_flaw(key: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    """It proves nothing, and it is said which line; the others still count."""
    line = signed(HEAD, key_file=key, command=())
    (tmp_path / "heads").write_bytes(line + canonical_bytes({**json.loads(line), **change}))
    found = heads_in(tmp_path / "heads", public(key), "production")
    assert found.marks == (MARK,)
    assert found.problem.startswith("line 2 of ")


def test_another_key_confirms_nothing(key: Path, tmp_path: Path) -> None:
    """Whoever replaces the file signs with a key of their own."""
    (tmp_path / "heads").write_bytes(signed(HEAD, key_file=key, command=()))
    other = tmp_path / "other.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", str(other))
    found = heads_in(tmp_path / "heads", public(other), "production")
    assert (found.marks, found.problem.startswith("line 1 of ")) == ((), True)


def test_a_file_that_is_gone_or_has_no_head_of_ours_is_a_flaw(key: Path, tmp_path: Path) -> None:
    """To delete the heads is itself found."""
    file = tmp_path / "heads"
    assert "cannot be read" in heads_in(file, public(key), "production").problem
    file.write_bytes(b"")
    assert "holds no head of this journal" in heads_in(file, public(key), "production").problem
    file.write_bytes(signed(HEAD, key_file=key, command=()))
    assert "holds no head of this journal" in heads_in(file, public(key), "staging").problem
    assert "no Ed25519 key" in heads_in(file, "", "production").problem


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        pytest.param((), "Nothing can sign a head", id="nothing-set"),
        pytest.param(("false",), "false ended with 1", id="fails"),
        pytest.param(("echo", "hello"), "wrote no Ed25519 signature", id="no-signature"),
        pytest.param(("/nonexistent/sign",), "cannot be signed", id="no-command"),
    ],
)
def test_nothing_is_exported_unsigned_that_was_to_be_signed(command: tuple[str, ...], problem: str) -> None:
    """A sentence says why, and what was not done."""
    with pytest.raises(ConfigurationError, match=problem) as caught:
        signed(HEAD, key_file=None, command=command)
    assert "Nothing was exported" in str(caught.value)


def test_a_key_of_another_kind_signs_nothing(tmp_path: Path) -> None:
    """Only Ed25519, whose signatures the other side checks."""
    path = tmp_path / "rsa.pem"
    openssl("genpkey", "-algorithm", "rsa", "-out", str(path))
    with pytest.raises(ConfigurationError, match="is no Ed25519 key"):
        signed(HEAD, key_file=path, command=())
