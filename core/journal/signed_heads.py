"""Signed heads: the mark of the newest receipt under an Ed25519 signature (RFC 8032), to be kept where nobody changes it.

A signature proves who has seen a head; it has to be made by a key that the journal's own account cannot use: another account
exports and signs, or a command signs that this account may only call. `cryptography` is imported where one is made or checked.

Excluded: when heads are exported (core/cli/commands/records.py).
"""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.canonical import canonical_bytes, rfc3339
from core.errors import ConfigurationError
from core.journal.marks import Mark, Marks
from core.system.files import read_bounded
from core.system.processes import piped

_KIND = "anr.head"
_MAX_BYTES = 64 << 20
_MAX_KEY_BYTES = 16 << 10
_SIGNATURE_BYTES = 64
_SIGNING_SECONDS = 30.0
_MISSING = "`cryptography` is not installed, so that no signature can be made or checked: install the extra `signing`"
SOURCE = "the signed heads"


def head_of(mark: Mark, target: str, at: datetime) -> dict[str, Any]:
    """Return what is signed: the mark, whose chain it is, and when it was the newest. Its bytes are its canonical form."""
    return {"kind": _KIND, "target": target, "seq": mark.seq, "digest": mark.digest, "at": rfc3339(at)}


def signed(head: dict[str, Any], *, key_file: Path | None, command: Sequence[str]) -> bytes:
    """Return a head as one line of JSON with its signature.

    Args:
        head: what is signed.
        key_file: a private key in PEM without a password; None if a command signs.
        command: is given the head's canonical bytes and writes their signature, raw or in base64.

    Raises:
        ConfigurationError: nothing can sign it.
    """
    data = canonical_bytes(head)
    signature = _signed_by_command(command, data) if command else _signed_by_key(key_file, data)
    return canonical_bytes({**head, "signature": base64.b64encode(signature).decode("ascii")})


def heads_in(file: Path, public_key: str, target: str) -> Marks:
    """Return the marks of a target in a file of signed heads, JSON Lines; receipts may stand between them.

    A head whose signature does not hold is a problem, and so is a file that is gone or has none.

    Args:
        file: what was exported, a line for each head.
        public_key: 32 bytes in base64.
        target: whose heads are meant.
    """
    try:
        lines = read_bounded(file, _MAX_BYTES).splitlines()
    except OSError as error:
        return Marks(SOURCE, problem=f"{file} cannot be read ({error.strerror or error}). Nothing was compared with it")
    try:
        verify = _verifier(public_key)
    except ConfigurationError as error:
        return Marks(SOURCE, problem=str(error))
    marks, wrong = [], []
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            wrong.append(number)
            continue
        if not isinstance(said, dict) or said.get("kind") != _KIND or said.get("target") != target:
            continue
        signature = said.pop("signature", "")
        try:
            verify(base64.b64decode(str(signature), validate=True), canonical_bytes(said))
            marks.append(Mark.model_validate({"seq": said.get("seq"), "digest": said.get("digest")}))
        except (ValueError, ValidationError):
            wrong.append(number)
    if wrong:
        return Marks(SOURCE, tuple(marks), f"line {wrong[0]} of {file} has no valid signature, or is no line of JSON")
    return Marks(SOURCE, tuple(marks), "" if marks else f"{file} holds no head of this journal")


def _verifier(public_key: str) -> Any:
    """Return what checks a signature, raising ValueError where it does not hold.

    Raises:
        ConfigurationError: there is no such key, or nothing to check with.
    """
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra, and slow to import
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ConfigurationError(_MISSING) from error
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
    except (ValueError, binascii.Error) as error:
        raise ConfigurationError("`signing_public_key` is no Ed25519 key: 32 bytes in base64") from error

    def verify(signature: bytes, data: bytes) -> None:
        try:
            key.verify(signature, data)
        except InvalidSignature as error:
            raise ValueError("the signature does not hold") from error

    return verify


def _signed_by_command(command: Sequence[str], data: bytes) -> bytes:
    try:
        written = piped(command, data, timeout_s=_SIGNING_SECONDS, limit=1024)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The head cannot be signed ({error}). Nothing was exported.") from error
    try:
        signature = written if len(written) == _SIGNATURE_BYTES else base64.b64decode(b"".join(written.split()), validate=True)
    except ValueError:
        signature = b""
    if len(signature) != _SIGNATURE_BYTES:
        raise ConfigurationError(
            "`signing_command` wrote no Ed25519 signature (64 bytes, raw or in base64). Nothing was exported."
        )
    return signature


def _signed_by_key(key_file: Path | None, data: bytes) -> bytes:
    if key_file is None:
        raise ConfigurationError("Nothing can sign a head: set `signing_command`, or `signing_key_file`. Nothing was exported.")
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ConfigurationError(f"{_MISSING}. Nothing was exported.") from error
    try:
        key = load_pem_private_key(read_bounded(key_file, _MAX_KEY_BYTES), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"The key {key_file} cannot be read ({error}). Nothing was exported.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"The key {key_file} is no Ed25519 key. Nothing was exported.")
    return key.sign(data)
