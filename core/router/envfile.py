"""The text of a dotenv file: its settings, the same text with some of them changed, and what each of its readers makes of it.

Pure. Nobody says how the router's file is read: by python-dotenv (`uvicorn --env-file`), as systemd's `EnvironmentFile=` or as
docker's `--env-file`, which differ in quotes, comments, continued lines and `export`. What is written here is bare `KEY=value`,
alone on its line, and `misread` says if one of the three would still get something else. Excluded: files.

Sources: python-dotenv's own parser; systemd.exec(5) and `src/basic/env-file.c`; `docker run --help` and docker/cli's
`pkg/kvfile`, whose comment is the format's only description.
"""

import codecs
import io
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from dotenv.parser import Binding, parse_stream

_SHOWN_CHARACTERS = 40
"""How much of a setting's value a sentence quotes."""
_BOM = "\ufeff"
_SPACE = r"[^\S\r\n]*"
_COMMENT = re.compile(
    rf"""\s*(?:export[^\S\r\n]+)?[^=\s]+{_SPACE}={_SPACE}(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\r\n]*?)"""
    rf"""[^\S\r\n]+(?P<comment>\#[^\r\n]*?){_SPACE}(?:\r\n|\n|\r|)""",
    re.DOTALL,
)
_NAME_OF_A_BROKEN_LINE = re.compile(r"""\s*(?:export\s+)?['"]?(?P<key>[A-Za-z_][A-Za-z0-9_]*)['"]?\s*(?:=|$)""")
_CONTINUED = re.compile(r"\\[\n\r]\Z")  # not at a CRLF: systemd escapes the first of the two, and the second ends the line
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


# --- bytes and text ---------------------------------------------------------------------------------------------------


def decoded(data: bytes) -> tuple[str, str]:
    """Return the text of a settings file without its byte order mark, and the encoding that it is in.

    UTF-8 is the only one that every reader reads. Bytes that are not UTF-8 are taken for what PowerShell and Notepad write:
    UTF-16, or the western code page of Windows; Latin-1 if even that does not fit, which loses no byte.

    Raises:
        ValueError: it is no text: there are NUL bytes in it, and it is not UTF-16.
    """
    for mark, encoding in _UTF16.items():
        if data.startswith(mark):
            return _without_nul(data.decode(encoding)), encoding
    if b"\0" in data:
        for encoding, high_bytes in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
            if high_bytes.count(0) * 2 > len(high_bytes):  # a file of settings is mostly ASCII
                return _without_nul(data.decode(encoding)), encoding
        raise ValueError("there are NUL bytes in it")
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding).lstrip(_BOM), encoding
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), "latin-1"


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("there are NUL bytes in it")
    return text.lstrip(_BOM)


# --- as python-dotenv reads it ----------------------------------------------------------------------------------------


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


@lru_cache(maxsize=16)
def _bindings(text: str) -> tuple[Binding, ...]:
    return tuple(parse_stream(io.StringIO(text.lstrip(_BOM), newline="")))


# --- the same text with other settings --------------------------------------------------------------------------------


def with_settings(text: str, wanted: Mapping[str, str]) -> str:
    """Return the text in which `wanted` stand as bare lines, each once; every other setting and comment is where it was.

    A byte order mark goes, and so do `export`, quotes and indents of the settings that are written; a comment behind one gets a
    line of its own above it. Each line stays in its place if every reader then reads it alike; else all of them move to the
    end, or to the top: nothing that is written after an open quote is read. `misread` says whether that was enough.
    """
    text = text.lstrip(_BOM)
    drafts = (_in_place(text, wanted), _at_the_end(text, wanted), _at_the_top(text, wanted))
    return next((draft for draft in drafts if misread(draft, wanted) is None), drafts[0])


def _in_place(text: str, wanted: Mapping[str, str]) -> str:
    newline, missing, body = _newline_of(text), dict(wanted), ""
    for binding in _bindings(text):
        original, key = binding.original.string, _key_of(binding)
        if key not in wanted:
            body += original
            continue
        body += _blank_lines_before(original)
        if key in missing:  # a second line of the same key goes
            body = _line_ended(body, newline)
            if (remark := _COMMENT.fullmatch(original)) is not None:
                body = _line_ended(body + remark["comment"] + newline, newline)
            end = next((end for end in ("\r\n", "\n") if original.endswith(end)), newline)
            body += f"{key}={missing.pop(key)}{end}"
    return _with_lines(body, missing, newline)


def _at_the_end(text: str, wanted: Mapping[str, str]) -> str:
    return _with_lines(_rest(text, wanted), wanted, _newline_of(text))


def _at_the_top(text: str, wanted: Mapping[str, str]) -> str:
    return _with_lines("", wanted, _newline_of(text)) + _rest(text, wanted)


def _rest(text: str, wanted: Mapping[str, str]) -> str:
    pieces = ((binding.original.string, _key_of(binding) in wanted) for binding in _bindings(text))
    return "".join(_blank_lines_before(piece) if goes else piece for piece, goes in pieces)


def _key_of(binding: Binding) -> str | None:
    """Return the key of a line, also of one that python-dotenv cannot read but another reader may."""
    if not binding.error:
        return binding.key
    found = _NAME_OF_A_BROKEN_LINE.match(binding.original.string)
    return found["key"] if found else None


def _with_lines(body: str, settings: Mapping[str, str], newline: str) -> str:
    if not settings:
        return body
    return _line_ended(body, newline) + "".join(f"{name}={value}{newline}" for name, value in settings.items())


def _line_ended(body: str, newline: str) -> str:
    """Return what a line can follow on: the last line is ended, and its end is not escaped by a backslash."""
    if body and not body.endswith(("\n", "\r")):
        body += newline
    return body + newline if _CONTINUED.search(body) else body


def _newline_of(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _blank_lines_before(original: str) -> str:
    lead = original[: len(original) - len(original.lstrip())]
    return lead[: max(lead.rfind("\n"), lead.rfind("\r")) + 1]


# --- as each reader reads it ------------------------------------------------------------------------------------------


def misread(text: str, wanted: Mapping[str, str]) -> str | None:
    """Say which reader of the file does not get what is `wanted`, or None if all of them do.

    docker gives up on a file in which a name has a space in it (`export A=1`, `A = 1`): then it starts no container, and
    nothing is served by one. Such a line of somebody else is no reason here (see `refused_by_docker`).
    """
    if "\0" in text:
        return "there are NUL bytes in it"
    if text.startswith(_BOM):
        return "it begins with a byte order mark, which systemd takes for a part of the first name"
    for reader, got in _readings(text):
        for name, value in wanted.items():
            if name not in got:
                return f"{reader} does not find {name} in it"
            if got[name] != value:
                return f"{reader} reads {name} as {_told(got[name])}"
    return None


def refused_by_docker(text: str) -> int | None:
    """Return the number of the first line for which docker's `--env-file` refuses the whole file, or None."""
    for number, line in enumerate(_lines_for_docker(text), 1):
        name = line.partition("=")[0]
        if line and not line.startswith("#") and (not name or " " in name or "\t" in name):
            return number
    return None


def _told(value: str | None) -> str:
    return "what its own environment says" if value is None else repr(value[:_SHOWN_CHARACTERS])


def _readings(text: str) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    yield (
        "python-dotenv",
        {binding.key: binding.value for binding in _bindings(text) if binding.key is not None and not binding.error},
    )
    yield "systemd", dict(_systemd(text, continued_comments=False))
    yield "systemd before 254", dict(_systemd(text, continued_comments=True))
    yield "docker", dict(_docker(text))


_BLANK = re.compile(r"[ \t\n\r]*")
_REMARK = {True: re.compile(r"[#;](?:\\.|[^\\\n\r])*", re.DOTALL), False: re.compile(r"[#;][^\n\r]*")}
_KEY = re.compile(r"(?P<key>[^\n\r][^=\n\r]*)=")
_NO_SETTING = re.compile(r"[^\n\r]*")
_QUOTED = re.compile(r"""[ \t]*(?:'(?P<single>[^']*)(?:'|\Z)|"(?P<double>(?:\\.|[^"\\])*)(?:"|\\?\Z))""", re.DOTALL)
_BARE = re.compile(r"[ \t]*(?P<bare>(?:\\.|[^\\\n\r])*\\?)", re.DOTALL)
_IN_DOUBLE_QUOTES = re.compile(r"\\(.)", re.DOTALL)
_PIECE = re.compile(r"\\(?P<escaped>.?)|(?P<plain>[^\\]+)", re.DOTALL)


def _systemd(text: str, *, continued_comments: bool) -> Iterator[tuple[str, str]]:
    """Yield what `EnvironmentFile=` reads. Until version 254 a backslash at the end of a comment continued the comment."""
    at = 0
    while True:
        at = _end(_BLANK, text, at)
        if at == len(text):
            return
        if text[at] in "#;":
            at = _end(_REMARK[continued_comments], text, at)
            continue
        if (key := _KEY.match(text, at)) is None:
            at = _end(_NO_SETTING, text, at)
            continue
        at, value = key.end(), ""
        while (quoted := _QUOTED.match(text, at)) is not None:
            single, double = quoted["single"], quoted["double"]
            value += single if double is None else _IN_DOUBLE_QUOTES.sub(_in_double_quotes, double)
            at = quoted.end()
        bare = _BARE.match(text, at)
        if bare is not None:
            value += _unescaped(bare["bare"])
            at = bare.end()
        yield key["key"].rstrip(" \t"), value


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _in_double_quotes(found: re.Match[str]) -> str:
    if found[1] in '"\\`$':
        return found[1]
    return "" if found[1] == "\n" else found[0]


def _unescaped(bare: str) -> str:
    """Return a bare value as systemd takes it: an escaped line end is nothing, and space at the end goes unless it is escaped."""
    value, kept = "", 0
    for piece in _PIECE.finditer(bare):
        if piece["plain"] is None:
            value += piece["escaped"].strip("\n\r")
            kept = len(value)
        else:
            value += piece["plain"]
            kept = max(kept, len(value.rstrip(" \t")))
    return value[:kept]


_SPACE_FOR_DOCKER = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Go's `unicode.IsSpace` calls space."""


def _lines_for_docker(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        yield line.removesuffix("\r").lstrip(_SPACE_FOR_DOCKER)


def _docker(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield what `--env-file` reads: each line for itself; a name without `=` has the value that docker's own environment has."""
    for line in _lines_for_docker(text):
        if line and not line.startswith("#"):
            name, sign, value = line.partition("=")
            yield name, value if sign else None
