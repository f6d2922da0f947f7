"""Secrets that stand in files of their own: what systemd's `LoadCredential=`, docker's secrets and a volume of Kubernetes make.

An option `…_file` names the file of the secret that it is called after. Excluded: which options there are
(core/settings/surfaces.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, SecretStr

from core.system.files import read_bounded

T = TypeVar("T", bound=BaseModel)

_MAX_BYTES = 1 << 16
_ANOTHERS: Mapping[str, tuple[str, ...]] = {"bot_token": ("xapp-", "xoxp-"), "app_token": ("xoxb-", "xoxp-")}
"""By secret, what those of another kind begin with (Slack's documentation of token types)."""


@dataclass(frozen=True, slots=True)
class SecretsRead(Generic[T]):
    """Options of one table with their secrets.

    Attributes:
        options: with every secret that could be read.
        wrong: options that are wrong, and why.
        unread: options whose file cannot be read by this account, and why.
    """

    options: T
    wrong: tuple[tuple[str, str], ...]
    unread: tuple[tuple[str, str], ...]


def secrets_read(options: T) -> SecretsRead[T]:
    """Return a table's options with the secrets of its `…_file` options; white space around a secret is none of it."""
    found: dict[str, SecretStr] = {}
    wrong: list[tuple[str, str]] = []
    unread: list[tuple[str, str]] = []
    for name, field in type(options).model_fields.items():
        if field.annotation is not SecretStr:
            continue
        secret = getattr(options, name).get_secret_value().strip()
        if (file := getattr(options, f"{name}_file", None)) is not None:
            if secret:
                wrong.append((f"{name}_file", f"{name} is set as well, and nobody can say which is meant; set one of them"))
                continue
            try:
                secret = read_bounded(file, _MAX_BYTES).decode("utf-8-sig").strip()
            except OSError as error:
                unread.append((f"{name}_file", f"{file} cannot be read ({error.strerror or error})"))
                continue
            except UnicodeDecodeError:
                wrong.append((f"{name}_file", f"{file} is not text"))
                continue
            if not secret:
                wrong.append((f"{name}_file", f"{file} is empty"))
        if secret.startswith(_ANOTHERS.get(name, ())):
            wrong.append((name, f"it begins like another kind of token ({secret[:5]}…)"))
        found[name] = SecretStr(secret)
    return SecretsRead(options.model_copy(update=found), tuple(wrong), tuple(unread))
