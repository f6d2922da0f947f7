"""What is written is held against the readers themselves: python-dotenv, systemd's own parser, and docker's rules."""

import io
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import SettingsFileError
from core.router import envfile
from core.router.control import SAFE_SETTINGS, RouterSettings, Written, settings_for
from core.router.envfile import decoded, misread, refused_by_docker, settings_in, with_settings
from core.settings.target import LADDER
from tests.core.router.test_control import AT_10, SAFE_BYTES, Line, Place, place

GENERATOR = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")
"""Debian's `systemd`: it prints what the parser of `EnvironmentFile=` reads in `environment.d/*.conf` (environment.d(5))."""
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
SERVING = "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nNOVA_ANR_KILL=0\n"


# --- the three readers ------------------------------------------------------------------------------------------------


def by_dotenv(data: bytes) -> Mapping[str, str | None]:
    """python-dotenv itself, as `uvicorn --env-file` calls it."""
    return dotenv_values(stream=io.StringIO(data.decode(), newline=""), interpolate=True)


def by_systemd(data: bytes, folder: Path) -> Mapping[str, str | None]:
    """The parser of systemd itself, run by its environment generator on a folder in which this file is the only one."""
    place_for = folder / "environment.d"
    place_for.mkdir(exist_ok=True)
    (place_for / "50-router.conf").write_bytes(data)
    said = subprocess.run([GENERATOR], env={"XDG_CONFIG_HOME": str(folder)}, capture_output=True, check=True).stdout.decode()
    got = re.findall(r'^(\w+)=(?:"((?:\\.|[^"\\])*)"|(.*))$', said, re.MULTILINE)
    return {name: bare or re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), quoted) for name, quoted, bare in got}


def by_docker(data: bytes) -> Mapping[str, str | None]:
    """The rules that the comment of docker/cli's pkg/kvfile states, no docker itself; a later line of a name wins.

    The file must be UTF-8; a byte order mark at the start, white space at the start of a line, empty lines and those that begin
    with # are ignored; a name without = is looked up in docker's environment; values are taken as they are, but lose quotes
    around them. A name with white space in it makes docker refuse the file; here its line is left out.
    """
    got: dict[str, str | None] = {}
    for line in data.decode().removeprefix("\ufeff").split("\n"):
        name, sign, value = line.removesuffix("\r").lstrip().partition("=")
        if name and not name.startswith("#") and " " not in name and "\t" not in name:
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            got[name] = (value[1:-1] if quoted else value) if sign else None
    return got


def as_read(data: bytes, folder: Path) -> dict[str, dict[str, str | None]]:
    """Our settings, as each of the three gets them."""
    readings = {"dotenv": by_dotenv(data), "systemd": by_systemd(data, folder), "docker": by_docker(data)}
    return {who: {name: got.get(name) for name in SAFE_SETTINGS} for who, got in readings.items()}


ALL_SAFE = {who: dict(SAFE_SETTINGS) for who in ("dotenv", "systemd", "docker")}


# --- ways in which "safe" was false -----------------------------------------------------------------------------------

CASES = [
    pytest.param(b"\xef\xbb\xbf" + SERVING.encode(), id="byte-order-mark"),
    pytest.param(f"# Café, Zürich\nNOVA_REGION=Zürich\n{SERVING}".encode("latin-1"), id="latin-1"),
    pytest.param(f"NOVA_REGION=Zürich “east”\n{SERVING}".encode("cp1252"), id="windows-code-page"),
    pytest.param(f"NOVA_REGION=Zürich\n{SERVING}".encode("utf-16"), id="utf-16"),
    pytest.param(f"NOVA_REGION=Zürich\n{SERVING}".encode("utf-16-le"), id="utf-16-without-a-mark"),
    pytest.param(SERVING.replace("\n", "\r\n").encode("utf-16-be"), id="utf-16-big-endian-without-a-mark"),
    pytest.param("".join(f"export {line}\n" for line in SERVING.splitlines()).encode(), id="export"),
    pytest.param(SERVING.replace("KILL=0", "KILL=0 # see the runbook").encode(), id="comment-behind-the-value"),
    pytest.param(SERVING.replace("KILL=0", "KILL=0 # C:\\nova\\").encode(), id="comment-behind-the-value-ends-in-a-backslash"),
    pytest.param(SERVING.replace("NOVA_ANR_KILL", "# the share is C:\\nova\\\nNOVA_ANR_KILL").encode(), id="comment-continued"),
    pytest.param(b"NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nEXTRA_OPTS=--a \\\n", id="last-line-continued"),
    pytest.param(b"NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nEXTRA_OPTS=--a \\", id="last-line-continued-without-an-end"),
    pytest.param(f"EXTRA_OPTS=--a \\\r\n{SERVING}".replace("\n", "\r\n").encode(), id="a-line-continued-with-crlf"),
    pytest.param(f'MOTD="welcome\n{SERVING}'.encode(), id="open-quote-before"),
    pytest.param(f"{SERVING}MOTD='welcome\n".encode(), id="open-quote-behind"),
    pytest.param(b'NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nNOVA_ANR_KILL="0\n', id="open-quote-of-our-own"),
    pytest.param(b"NOVA_ANR_KILL='0' 1\nNOVA_ANR_ENABLED=1\n", id="words-behind-a-quote"),
    pytest.param(f"NOTE='\n{SERVING}'\n".encode(), id="our-names-inside-somebody's-quotes"),
    pytest.param(SERVING.replace("=", " = ").encode(), id="spaces-around-the-sign"),
    pytest.param(SERVING.replace("\n", "\r").encode(), id="carriage-returns-alone"),
    pytest.param(SERVING.replace("N", "\x0cN", 1).encode(), id="form-feed-before-the-name"),
    pytest.param(b"NOVA_ANR_KILL\nNOVA_ANR_ENABLED=1\n", id="name-without-a-value"),
    pytest.param(b"'NOVA_ANR_KILL'=0\nNOVA_ANR_ENABLED=1\n", id="name-in-quotes"),
    pytest.param((SERVING + SERVING).encode(), id="everything-twice"),
    pytest.param(b"", id="empty"),
]


@pytest.mark.parametrize("before", CASES)
def test_after_safe_every_reader_gets_the_safe_settings(tmp_path: Path, before: bytes) -> None:
    """Whatever stood in the file, once the router is called safe python-dotenv, systemd and docker all read the safe settings."""
    here = place(tmp_path, before)
    assert here.router.make_safe() == ()
    assert as_read(here.content, tmp_path) == ALL_SAFE
    text = here.content
    assert here.router.make_safe() == ()
    assert here.content == text


@pytest.mark.parametrize("before", CASES)
def test_before_it_the_readers_did_not_agree_or_served(tmp_path: Path, before: bytes) -> None:
    """Each of the cases above is one: before the brake somebody gets something else than the safe settings."""
    try:
        assert as_read(before, tmp_path) != ALL_SAFE
    except ValueError:
        assert decoded(before)[1] != "utf-8"


NEITHER = [
    pytest.param(f'A="\n{SERVING}"\nB="open\n'.encode(), "NOVA_ANR_", id="our-names-in-quotes-before-an-open-quote"),
    pytest.param(SERVING.encode() + b"#0\0\n", "NUL bytes", id="one-nul-in-a-comment-is-no-utf-16"),
    pytest.param(b"\x1f\x8b\x08\0\0\0\0\0\0\x03rubbish\0", "NUL bytes", id="compressed"),
]


@pytest.mark.parametrize(("before", "why"), NEITHER)
def test_what_not_every_reader_can_be_told_is_not_safe(tmp_path: Path, before: bytes, why: str) -> None:
    """Where the three would differ on our settings whatever is written, the router is not called safe, and it is said why."""
    here = place(tmp_path, before)
    (problem,) = here.router.make_safe()
    assert why in problem
    if "NUL" in why:
        assert here.content == before
    else:
        assert as_read(here.content, tmp_path) != ALL_SAFE


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_a_file_in_another_encoding_is_kept_and_keeps_its_other_settings(tmp_path: Path, encoding: str) -> None:
    """The bytes that were there stand beside the file, for this account alone, and what else was set in it still is."""
    before = f"NOVA_REGION=Zürich\n{SERVING}".encode(encoding)
    here = place(tmp_path, before)
    assert here.router.make_safe() == ()
    (kept,) = tmp_path.glob("anr.env.before-*")
    assert kept.read_bytes() == before
    assert kept.stat().st_mode & 0o077 == 0 or os.name != "posix"
    assert by_dotenv(here.content)["NOVA_REGION"] == "Zürich"
    assert f"{kept} is as it was" in here.router.remarks[0]


def test_a_copy_that_cannot_be_kept_leaves_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has to be read in a guessed encoding is not changed unless its bytes are somewhere."""
    before = f"NOVA_REGION=Zürich\n{SERVING}".encode("latin-1")
    here = place(tmp_path, before)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    (problem,) = here.router.make_safe()
    assert "no copy of it could be kept" in problem
    assert here.content == before


# --- laws -------------------------------------------------------------------------------------------------------------

PIECES = ["NOVA_ANR_KILL", "NOVA_ANR_PILOT", "OTHER", "=", "=", "0", "0.10", "x", "\n", "\n", "\n", "\r\n", "\r", " ", "\t"]
PIECES += ['"', "'", "\\", "\\\n", "#", ";", "export ", "\\'", '\\"', "\ufeff", "\x0c", "\u2028", "ü"]
ROUGH = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)
FILES: st.SearchStrategy[str] = st.one_of(ROUGH, st.deferred(lambda: whole_files()))  # noqa: PLW0108 - it is defined below
WANTED = st.sampled_from([dict(SAFE_SETTINGS), settings_for(10, 0.15), settings_for(100, 0.15)])


@given(text=FILES, wanted=WANTED)
@example(text=f'A="\n{SERVING}"\nB="open\n', wanted=dict(SAFE_SETTINGS))
@example(text="A=\\", wanted=dict(SAFE_SETTINGS))
@example(text="NOVA_ANR_KILL=0 # \\\nA='\\'\n", wanted=dict(SAFE_SETTINGS))
def test_what_is_not_misread_is_read_alike_by_all_three(
    tmp_path_factory: pytest.TempPathFactory, text: str, wanted: dict[str, str]
) -> None:
    """Whatever a file holds: unless it says who would misread it, all three readers get exactly what was written."""
    written = with_settings(text, wanted)
    if misread(written, wanted) is not None:
        return
    readings = (
        by_dotenv(written.encode()),
        by_systemd(written.encode(), tmp_path_factory.getbasetemp()),
        by_docker(written.encode()),
    )
    for got in readings:
        assert {name: got.get(name) for name in wanted} == wanted


@given(text=FILES, wanted=WANTED)
@example(text="\ufeff\ufeff\ufeffA=1", wanted=dict(SAFE_SETTINGS))
@example(text="\r", wanted=dict(SAFE_SETTINGS))
def test_writing_again_changes_nothing_and_other_settings_stay(text: str, wanted: dict[str, str]) -> None:
    """python-dotenv reads every other setting as before, and what was written twice is as what was written once."""
    written = with_settings(text, wanted)
    assert settings_in(written)[0] == {**settings_in(text)[0], **wanted}
    assert with_settings(written, wanted) == written


@given(text=ROUGH.map(lambda text: text.replace("\x0c", "").replace("\ufeff", "").replace("OTHER", "NOVA_B")))
def test_systemds_rules_are_systemds(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """The model of `EnvironmentFile=` that nothing may contradict reads any text as systemd itself does, of old or new."""
    real = {
        name: value
        for name, value in by_systemd(text.encode(), tmp_path_factory.getbasetemp()).items()
        if name.startswith("NOVA") and value
    }
    models = [
        {name: value for name, value in envfile._systemd(text, continued_comments=old) if re.fullmatch(r"NOVA[A-Z_]*", name)}
        for old in (True, False)
    ]
    told = [{name: value for name, value in model.items() if value and "\r" not in value} for model in models]
    assert {name: value for name, value in real.items() if "\r" not in value and re.fullmatch(r"NOVA[A-Z_]*", name)} in told


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(SERVING, None, id="plain"),
        pytest.param(f"{SERVING}export A=1\n", 4, id="export"),
        pytest.param(f"A = 1\n{SERVING}", 1, id="spaces"),
        pytest.param(f"\n# a b = c\n=1\n{SERVING}", 3, id="no-name"),
    ],
)
def test_what_docker_refuses_is_named(text: str, line: int | None) -> None:
    """A line of somebody else with which no container starts is told, because it is no wrong setting."""
    assert refused_by_docker(text) == line


# --- the settings file ------------------------------------------------------------------------------------------------


EDITS = [
    pytest.param(b"", SAFE_BYTES, id="empty"),
    pytest.param(
        b"# ours\n\nOTHER='a b'\nNOVA_ANR_KILL=0\n\n  # a # b\nPATH_X=\"q # no\" # yes\nNOVA_B=1\nNOVA_ANR_PILOT=0.25\nLAST\n",
        b"# ours\n\nOTHER='a b'\nNOVA_ANR_KILL=1\n\n  # a # b\nPATH_X=\"q # no\" # yes\nNOVA_B=1\nNOVA_ANR_PILOT=0.00\nLAST\n"
        b"NOVA_ANR_ENABLED=0\n",
        id="unknown-keys-comments-order-and-quotes-stay",
    ),
    pytest.param(
        b"NOVA_ANR_PILOT=\"0.25\"\nNOVA_ANR_ENABLED='1'\nNOVA_ANR_KILL = 0\n",
        b"NOVA_ANR_PILOT=0.00\nNOVA_ANR_ENABLED=0\nNOVA_ANR_KILL=1\n",
        id="our-own-values-lose-their-quotes",
    ),
    pytest.param(
        b"\tNOVA_ANR_KILL=0\n    NOVA_ANR_PILOT\n",
        b"NOVA_ANR_KILL=1\nNOVA_ANR_PILOT=0.00\nNOVA_ANR_ENABLED=0\n",
        id="our-own-lose-their-indents",
    ),
    pytest.param(b"export A=1\nexport  B='2'\n", b"export A=1\nexport  B='2'\n" + SAFE_BYTES, id="export-of-others-stays"),
    pytest.param(
        b"A=1\r\nNOVA_ANR_PILOT=0.25\r\n",
        b"A=1\r\nNOVA_ANR_PILOT=0.00\r\nNOVA_ANR_ENABLED=0\r\nNOVA_ANR_KILL=1\r\n",
        id="crlf-stays-crlf",
    ),
    pytest.param(b"A=1", b"A=1\n" + SAFE_BYTES, id="no-final-newline-after-an-unknown-key"),
    pytest.param(b"A=1\r\n# end", b"A=1\r\n# end\r\n" + SAFE_BYTES.replace(b"\n", b"\r\n"), id="no-final-newline-and-crlf"),
    pytest.param(
        b"NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nNOVA_ANR_KILL=0", SAFE_BYTES, id="no-final-newline-after-our-own-key"
    ),
    pytest.param(
        b"NOVA_ANR_PILOT=0.10\nA=1\nNOVA_ANR_PILOT=0.25\nNOVA_ANR_PILOT=0.50\nA=2\n",
        b"NOVA_ANR_PILOT=0.00\nA=1\nA=2\nNOVA_ANR_ENABLED=0\nNOVA_ANR_KILL=1\n",
        id="our-own-duplicates-become-one-and-others-stay",
    ),
    pytest.param(
        b'A=\'\nNOVA_ANR_KILL=0\n\'\nB="\\"\nNOVA_ANR_PILOT=1"\n',
        b'A=\'\nNOVA_ANR_KILL=0\n\'\nB="\\"\nNOVA_ANR_PILOT=1"\n' + SAFE_BYTES,
        id="a-line-inside-quotes-is-no-setting",
    ),
    pytest.param(
        b"NOVA_ANR_KILL_SWITCH=0\n#NOVA_ANR_KILL=0\nXNOVA_ANR_KILL=0\n",
        b"NOVA_ANR_KILL_SWITCH=0\n#NOVA_ANR_KILL=0\nXNOVA_ANR_KILL=0\n" + SAFE_BYTES,
        id="names-that-look-alike-are-others",
    ),
    pytest.param(
        b"export NOVA_ANR_KILL=0\n",
        b"NOVA_ANR_KILL=1\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n",
        id="our-own-lose-their-export",
    ),
    pytest.param(
        b"NOVA_ANR_KILL=0 # see the runbook\n",
        b"# see the runbook\nNOVA_ANR_KILL=1\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n",
        id="a-comment-behind-our-own-value-stands-above-it",
    ),
    pytest.param(
        b"NOVA_ANR_KILL=0\n\n\nNOVA_ANR_KILL=0\nA=1\n",
        b"NOVA_ANR_KILL=1\n\n\nA=1\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n",
        id="blank-lines-before-a-duplicate-stay",
    ),
    pytest.param(
        b"\xef\xbb\xbfA=1\n",
        b"A=1\n" + SAFE_BYTES,
        id="a-byte-order-mark-goes",
    ),
    pytest.param(
        b'A="x\\\ny"\nB=1\nNOVA_ANR_KILL=0\n',
        b'A="x\\\ny"\nB=1\nNOVA_ANR_KILL=1\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n',
        id="a-line-that-goes-on-in-quotes-stays",
    ),
]


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_only_the_settings_that_are_written_change(tmp_path: Path, before: bytes, after: bytes) -> None:
    """Every byte that is not one of the written settings is where it was, and writing again changes nothing."""
    here = place(tmp_path, before)
    assert here.router.make_safe() == ()
    assert here.content == after
    assert here.router.make_safe() == ()
    assert here.content == after


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """A file that Notepad saved is read and edited like any other: its first setting is found, not written a second time."""
    here = place(tmp_path, b"\xef\xbb\xbf" + AT_10)
    assert here.router.settings().stage == 10
    assert here.router.make_safe() == ()
    assert here.content.removeprefix(b"\xef\xbb\xbf") == SAFE_BYTES


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=12)
UNQUOTED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n'\""), max_size=12)
QUOTED = st.builds(
    "{0}{1}{2}{3}{0}".format,
    st.just("'"),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r'\\"), max_size=8),
    st.sampled_from(["", "\nNOVA_ANR_KILL=7\n", "\r\n# NOVA_ANR_PILOT\r\n", '"', "\\'", "\\\\"]),
    st.sampled_from(["", " "]),
)
INDENT = st.sampled_from(["", "", "  ", "\t"])
EXPORT = st.sampled_from(["", "", "export ", "export\t "])
REMARK = st.sampled_from(["", "", " # why", "\t#"])
OTHER_KEYS = st.sampled_from(["OTHER", "NOVA_OTHER", "NOVA_ANR_KILLER", "nova_anr_kill", "X_NOVA_ANR_PILOT", "A.B-C"])
OWN_KEYS = st.sampled_from([*SAFE_SETTINGS, "NOVA_ANR_MAX_FAST_PROB", "NOVA_ANR_STRICT_ON_ANOMALY"])
OWN_VALUES = st.sampled_from(["", "=", "=0", "=1", " = 0.25", '="0.10"', "= '1'", "=garbage", "=#"])
OTHER_LINES = st.one_of(
    st.builds("{}#{}".format, INDENT, TEXT),
    st.builds("{}{}{}".format, INDENT, EXPORT, OTHER_KEYS),
    st.builds("{}{}{}{}{}".format, INDENT, EXPORT, OTHER_KEYS, st.sampled_from(["=", " = "]), UNQUOTED),
    st.builds("{}{}{}={}{}".format, INDENT, EXPORT, OTHER_KEYS, QUOTED, REMARK),
    st.sampled_from(["", " ", "\t "]),
)
OWN_LINES = st.builds("{}{}{}{}{}".format, INDENT, EXPORT, OWN_KEYS, OWN_VALUES, REMARK)


@st.composite
def settings_files(draw: st.DrawFn) -> list[Line]:
    """Settings files of entries that dotenv readers understand, our own ones among them any number of times."""
    lines: list[Line] = []
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n"]]))
    for own in draw(st.lists(st.booleans(), max_size=12)):
        text = draw(OWN_LINES if own else OTHER_LINES)
        key = next(name for name in re.split(r"[\s=#]", text.strip().removeprefix("export").strip()) if name) if own else None
        while key and any(line.key == key for line in lines) and lines[-1].text.isspace():
            lines.pop()  # blank lines before a duplicate: see the example of its own
        lines.append(Line(text + draw(st.sampled_from(ends)), key))
    if draw(st.booleans()) and lines:
        lines[-1] = Line(lines[-1].text.rstrip("\r\n"), lines[-1].key)
    return lines


def whole_files() -> st.SearchStrategy[str]:
    return settings_files().map(lambda lines: "".join(line.text for line in lines))


def refused_to_write(here: Place, stage: int) -> bool:
    before = here.content
    with pytest.raises(SettingsFileError, match=r"Not every reader of .* Nothing was changed"):
        here.serve(stage)
    return here.content == before


@settings(deadline=None)
@given(lines=settings_files(), stage=st.sampled_from([None, *LADDER]))
def test_what_is_written_is_read_back_and_every_other_line_stays(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Line], stage: int | None
) -> None:
    """Whatever lines a file has, each written setting stands there once with its value, and the rest is the same to the byte."""
    text = "".join(line.text for line in lines)
    here = place(tmp_path_factory.mktemp("router"), text.encode())
    wanted = dict(SAFE_SETTINGS) if stage is None else settings_for(stage, here.target.gates.fast_cap)
    before = here.router.settings()
    if misread(with_settings(text, wanted), wanted) is not None:  # see the test of what no reader can be told
        assert stage is None or refused_to_write(here, stage)
        return
    if stage is None:
        assert here.router.make_safe() == ()
    else:
        assert here.serve(stage) == Written(here.router.settings(), overtaken=False)
    assert misread(here.content.decode(), wanted) is None
    after = here.router.settings()
    assert after == RouterSettings({**before.values, **wanted})
    assert after.stage == (stage or 0)
    rest = here.content.decode().split("\n")
    for name, value in wanted.items():
        own = [line for line in rest if line.removesuffix("\r") == f"{name}={value}"]
        assert len(own) == 1, (name, here.content)
        rest.remove(own[0])
    others = "".join(line.text for line in lines if line.key not in wanted).split("\n")
    for line in rest:
        if others and line == others[0]:
            others.pop(0)
        else:
            assert line.removesuffix("\r") in {"# why", "#", ""} or others[0] + "\r" == line, (line, others)
            others = others[1:] if others and others[0] + "\r" == line else others
    assert others in ([], [""])
