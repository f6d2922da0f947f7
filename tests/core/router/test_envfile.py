import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.router.control import SAFE_SETTINGS, RouterSettings, Written, settings_for
from core.settings.target import LADDER
from tests.core.router.test_control import AT_10, SAFE_BYTES, Line, place

# --- the settings file ------------------------------------------------------------------------------------------------


EDITS = [
    pytest.param(b"", SAFE_BYTES, id="empty"),
    pytest.param(None, SAFE_BYTES, id="missing"),
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
        b"\tNOVA_ANR_KILL=1\n    NOVA_ANR_PILOT=0.00\nNOVA_ANR_ENABLED=0\n",
        id="indents-stay",
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
        b"export NOVA_ANR_KILL=1\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n",
        id="export-of-our-own-stays",
    ),
    pytest.param(
        b"NOVA_ANR_KILL=0 # see the runbook\n",
        b"NOVA_ANR_KILL=1 # see the runbook\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n",
        id="a-comment-behind-our-own-value-stays",
    ),
    pytest.param(
        b"NOVA_ANR_KILL=0\n\n\nNOVA_ANR_KILL=0\nA=1\n",
        b"NOVA_ANR_KILL=1\n\n\nA=1\nNOVA_ANR_ENABLED=0\nNOVA_ANR_PILOT=0.00\n",
        id="blank-lines-before-a-duplicate-stay",
    ),
    pytest.param(
        b"\xef\xbb\xbfA=1\n",
        b"\xef\xbb\xbfA=1\n" + SAFE_BYTES,
        id="a-byte-order-mark-stays",
    ),
]


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_only_the_settings_that_are_written_change(tmp_path: Path, before: bytes | None, after: bytes) -> None:
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


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12)
UNQUOTED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n'\""), max_size=12)
QUOTED = st.builds(
    "{0}{1}{2}{3}{0}".format,
    st.just("'"),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r'\\"), max_size=8),
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
    if stage is None:
        assert here.router.make_safe() == ()
    else:
        assert here.serve(stage) == Written(here.router.settings(), overtaken=False)
    after = here.router.settings()
    assert after == RouterSettings({**before.values, **wanted})
    assert after.stage == (stage or 0)
    rest = here.content.decode()
    for name, value in wanted.items():
        own = rf"^[ \t]*(?:export[ \t]+)?{name}=(['\"]?){re.escape(value)}\1[ \t]*(?:#[^\r\n]*)?(?:\r?\n|\Z)"
        rest, times = re.subn(own, "", rest, flags=re.MULTILINE)
        assert times == 1, (name, here.content)
    others = "".join(line.text for line in lines if line.key not in wanted)
    ended = "" if not text or text.endswith("\n") else "\r\n" if "\r\n" in text else "\n"
    assert rest in {others, others + ended}
