"""The two grammars in which Alertmanager reads a list of matchers, and how it chooses between them.

Pure. The classic grammar is that of Alertmanager's `pkg/labels` (`ParseMatchers`, `ParseMatcher`); the UTF-8 grammar, since
0.27, is that of `matcher/parse`: any label name in double quotes, and Go's escapes in them. As in `matcher/compat`, a text is
read by both; where only one understands it that one counts, where they differ the classic one does.

Excluded: what a matcher means (core/alerts/matchers.py).
"""

import re
from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", "!=", "=~", "!~"]
_CLASSIC = re.compile(r"[\t\n\f\r ]*([a-zA-Z_:][a-zA-Z0-9_:]*)[\t\n\f\r ]*(=~|=|!=|!~)[\t\n\f\r ]*(.*?)[\t\n\f\r ]*", re.DOTALL)
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""Go's unicode.IsSpace."""
_RESERVED = _SPACE + "{}!=~,\\\"'`"
_UNQUOTED = re.compile(f"[^{re.escape(_RESERVED)}]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ESCAPE = re.compile(r'\\(?:([abfnrtv\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))')
_SHORT = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))
_WRONG_QUOTES = "'`‘’“”«»„"


@dataclass(frozen=True, slots=True)
class Condition:
    """One matcher as it was written.

    Attributes:
        column: where its value begins, counted from 1.
    """

    name: str
    operator: Operator
    value: str
    column: int


class MatcherSyntaxError(ValueError):
    """A text is no list of matchers; the message says where, counted from 1."""


def conditions(text: str) -> tuple[Condition, ...]:
    """Return the conditions of a list of matchers as Alertmanager reads it in its default mode.

    Raises:
        MatcherSyntaxError: neither grammar knows it, or a value stands in quotes that are none to Alertmanager.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MatcherSyntaxError(f"column {error.start + 1}: this is no text in UTF-8") from error
    try:
        modern = utf8_conditions(text)
    except MatcherSyntaxError as wrong:
        try:
            found = classic_conditions(text)
        except MatcherSyntaxError as classic:
            # a text with a quoted name can only have meant the UTF-8 grammar
            raise (wrong if text.lstrip(_SPACE + "{").startswith('"') else classic) from wrong
    else:
        found = _of_both(text, modern)
    for condition in found:
        _refuse_wrong_quotes(text, condition)
    return found


def _of_both(text: str, modern: tuple[Condition, ...]) -> tuple[Condition, ...]:
    try:
        return classic_conditions(text)
    except MatcherSyntaxError:
        return modern


def _refuse_wrong_quotes(text: str, one: Condition) -> None:
    place = one.column - 1
    if text[place : place + 1] in tuple(_WRONG_QUOTES):
        raise MatcherSyntaxError(
            f"column {one.column}: Alertmanager takes {text[place]} for a part of the value, so that this matches no label that "
            f'is meant; write {one.name}{one.operator}"…"'
        )


def classic_conditions(text: str) -> tuple[Condition, ...]:
    """Read a list as `labels.ParseMatchers` does.

    Raises:
        MatcherSyntaxError: it is not of the classic grammar.
    """
    begin = 1 if text.startswith("{") else 0
    end = len(text) - 1 if text.endswith("}") and len(text) > begin else len(text)
    parts, at, quoted, escaped = [], begin, False, False
    for place in range(begin, end):
        character = text[place]
        if character == "," and not quoted:
            parts.append((at, text[at:place]))
            at = place + 1
        elif character == '"':
            quoted, escaped = (quoted, False) if escaped else (not quoted, False)
        elif character == "\\":
            escaped = not escaped
        elif character != ",":
            escaped = False
    last = text[at:end]
    if last.strip(_SPACE):
        parts.append((at + len(last) - len(last.lstrip(_SPACE)), last.strip(_SPACE)))
    return tuple(_classic(at, part) for at, part in parts)


def _classic(at: int, part: str) -> Condition:
    found = _CLASSIC.fullmatch(part)
    if found is None:
        raise MatcherSyntaxError(
            f'column {at + 1}: {part.strip()!r} is not a matcher; write for example component="anr" or severity=~"page|critical"'
        )
    operator: Operator = found[2]  # type: ignore[assignment]  # the expression allows nothing else
    return Condition(found[1], operator, _classic_value(found[3], at + found.start(3)), at + found.start(3) + 1)


def _classic_value(raw: str, at: int) -> str:
    quoted = raw.startswith('"')
    value, place, closed = "", int(quoted), not quoted
    while place < len(raw):
        character, following = raw[place], raw[place + 1 : place + 2]
        if character == "\\" and following in {"n", '"', "\\"}:
            value += "\n" if following == "n" else following
            place += 1
        elif character == '"':
            if closed or place < len(raw) - 1:
                raise MatcherSyntaxError(f'column {at + place + 1}: {raw!r} has a double quote inside; write \\" for it')
            closed = True
        else:
            value += character
        place += 1
    if not closed:
        raise MatcherSyntaxError(f"column {at + 1}: {raw!r} has no closing double quote")
    return value


def utf8_conditions(text: str) -> tuple[Condition, ...]:
    """Read a list as `parse.Matchers` does.

    Raises:
        MatcherSyntaxError: it is not of the UTF-8 grammar.
    """
    tokens = _Tokens(text)
    found: list[Condition] = []
    braced = tokens.take("{")
    while tokens.next not in {"", "}"}:
        found.append(_utf8(tokens))
        if not tokens.take(","):
            break
    if tokens.take("}") != braced:
        raise MatcherSyntaxError(f"column {tokens.place + 1}: an opening or a closing brace is missing")
    if tokens.next:
        raise MatcherSyntaxError(f"column {tokens.place + 1}: a comma or the end was expected")
    return tuple(found)


def _utf8(tokens: "_Tokens") -> Condition:
    name, _ = tokens.word("a label name")
    for operator in _OPERATORS:
        if tokens.take(operator):
            value, column = tokens.word("a value")
            return Condition(name, operator, value, column)
    raise MatcherSyntaxError(f"column {tokens.place + 1}: one of =, !=, =~, !~ was expected")


_OPERATORS: tuple[Operator, ...] = ("=~", "!=", "!~", "=")


class _Tokens:
    """A text that is taken apart from its beginning."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.place = 0
        self._skip()

    @property
    def next(self) -> str:
        """The next character; empty at the end."""
        return self._text[self.place : self.place + 1]

    def take(self, token: str) -> bool:
        """Take these characters if they come next."""
        if not self._text.startswith(token, self.place):
            return False
        self.place += len(token)
        self._skip()
        return True

    def word(self, what: str) -> tuple[str, int]:
        """Take a word, in quotes or not; return it and its column."""
        begin = self.place
        found = (_QUOTED if self.next == '"' else _UNQUOTED).match(self._text, begin)
        if found is None:
            raise MatcherSyntaxError(f"column {begin + 1}: {what} was expected")
        self.place = found.end()
        self._skip()
        word = found[0]
        return (_unquoted(word[1:-1], begin) if word.startswith('"') else word), begin + 1

    def _skip(self) -> None:
        while self.next and self.next in _SPACE:
            self.place += 1


def _unquoted(inner: str, at: int) -> str:
    """Undo Go's escapes (`strconv.Unquote`)."""
    if "\n" in inner:
        raise MatcherSyntaxError(f"column {at + inner.index(chr(10)) + 2}: a line ends inside quotes")
    value, place = b"", 0
    while place < len(inner):
        if inner[place] != "\\":
            value += inner[place].encode()
            place += 1
            continue
        found = _ESCAPE.match(inner, place)
        if found is None:
            raise MatcherSyntaxError(f"column {at + place + 2}: Alertmanager does not know this escape; write \\\\ for \\")
        value += _escaped(found, at + place + 2)
        place = found.end()
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise MatcherSyntaxError(f"column {at + 1}: the escapes make no text in UTF-8") from error


def _escaped(found: re.Match[str], column: int) -> bytes:
    short, octal, byte, *points = found.groups()
    if short:
        return _SHORT[short].encode()
    if octal or byte:
        number = int(octal, 8) if octal else int(byte, 16)
        if number <= 0xFF:
            return bytes([number])
    else:
        point = int(points[0] or points[1], 16)
        if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF:
            return chr(point).encode()
    raise MatcherSyntaxError(f"column {column}: there is no such character")
