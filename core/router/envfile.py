"""The text of a dotenv file: its settings, and the same text with some of them changed.

Pure. The lines are told apart by python-dotenv, which is what `uvicorn --env-file` reads them with; settings are written as
`KEY=value` without quotes, which systemd's `EnvironmentFile=` and container env files read alike. Excluded: files.
"""

import io
import re
from collections.abc import Mapping
from functools import lru_cache

from dotenv.parser import Binding, parse_stream

_BOM = "\ufeff"
_SPACE = r"[^\S\r\n]*"
_LINE = re.compile(
    rf"""(?P<lead>\s*)(?P<export>export[^\S\r\n]+)?(?P<key>[^=\s]+){_SPACE}={_SPACE}"""
    rf"""(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\r\n]*?)(?P<comment>[^\S\r\n]+\#[^\r\n]*)?{_SPACE}(?P<end>\r\n|\n|\r|)""",
    re.DOTALL,
)


def settings_in(text: str) -> tuple[dict[str, str], int | None]:
    """Return the settings of a text, and the number of its first line that is none, counted from 1, or None."""
    values, wrong = _settings_in(text)
    return dict(values), wrong


@lru_cache(maxsize=16)  # the file is read before and after each write, and mostly says what it said
def _settings_in(text: str) -> tuple[dict[str, str], int | None]:
    values: dict[str, str] = {}
    wrong = None
    for binding in _bindings(text):
        if binding.error and wrong is None:
            lead = binding.original.string[: len(binding.original.string) - len(binding.original.string.lstrip())]
            wrong = binding.original.line + lead.count("\n")
        elif binding.key is not None:
            values[binding.key] = binding.value or ""
    return values, wrong


def with_settings(text: str, wanted: Mapping[str, str]) -> str:
    """Return the text in which `wanted` stand, each once; every other key, comment and blank line survives untouched."""
    newline = "\r\n" if "\r\n" in text else "\n"
    missing = dict(wanted)
    parts = [_BOM] if text.startswith(_BOM) else []
    for binding in _bindings(text):
        original = binding.original.string
        if binding.key not in wanted or binding.error:
            parts.append(original)
        elif binding.key in missing:
            parts.append(_changed(original, binding.key, missing.pop(binding.key), newline))
        else:  # a second line of the same key: its blank lines stay, it goes
            lead = original[: len(original) - len(original.lstrip())]
            parts.append(lead[: lead.rfind("\n") + 1])
    body = "".join(parts)
    if missing and body.removeprefix(_BOM) and not body.endswith(("\n", "\r")):
        body += newline
    return body + "".join(f"{name}={value}{newline}" for name, value in missing.items())


@lru_cache(maxsize=16)
def _bindings(text: str) -> tuple[Binding, ...]:
    return tuple(parse_stream(io.StringIO(text.removeprefix(_BOM), newline="")))


def _changed(original: str, key: str, value: str, newline: str) -> str:
    found = _LINE.fullmatch(original)
    if found is None:
        lead = original[: len(original) - len(original.lstrip())]
        return f"{lead}{key}={value}{newline}"
    end = found["end"] or newline
    return f"{found['lead']}{found['export'] or ''}{found['key']}={value}{found['comment'] or ''}{end}"
