"""A JSON text that is walked through once, of which only the texts that are asked for are built.

Pure. What nobody asks for is passed over, however deep or long it is, so that memory stays bounded and other threads get their
turn; what the text says up to where it breaks off can be read (RFC 8259).

Excluded: what the values mean (core/alerts/reading.py).
"""

import json
import re
from collections.abc import Iterator

MAX_TEXT = 16 << 10
"""How much is read of a name, and of a text without a bound of its own, in characters."""
_MAX_PLAIN = 100


class NoJsonFromHere(Exception):
    """The text is no JSON from here on."""


_SPACE = re.compile(r"[ \t\n\r]*")
_WHOLE_ESCAPES = re.compile(r"(?:[^\\]|\\u[0-9a-fA-F]{4}|\\[^u])*", re.DOTALL)
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null|NaN|-?Infinity")
_BRACKET_OR_QUOTE = re.compile(r'["\[\]{}]')
_CLOSING = {"[": "]", "{": "}"}
_UNESCAPE = json.JSONDecoder(strict=False)


class JsonText:
    """A JSON text that is walked through from its beginning."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.place = 0
        self._closed = 0
        self._skip_space()

    @classmethod
    def of(cls, body: bytes) -> "JsonText":
        """Return the text of these bytes in the encoding that JSON lets one detect; what is none of it is replaced."""
        encoding = json.detect_encoding(body)
        try:
            return cls(body.decode(encoding, "surrogatepass"))
        except UnicodeDecodeError:
            return cls(body.decode(encoding, "replace"))

    @property
    def at_end(self) -> bool:
        """Whether nothing follows."""
        return self.place >= len(self._text)

    @property
    def next(self) -> str:
        """The next character; empty at the end."""
        return self._text[self.place : self.place + 1]

    def since(self, begin: int) -> str:
        """Return what was walked through, if it is short; empty if it is not."""
        return self._text[begin : self.place].rstrip(" \t\n\r,") if self.place - begin <= _MAX_PLAIN else ""

    def take(self, character: str) -> bool:
        """Take a character if it comes next."""
        if not self._text.startswith(character, self.place):
            return False
        self.place += 1
        self._skip_space()
        return True

    def names(self) -> Iterator[str]:
        """Yield the names of an object whose brace was taken; whoever asks takes each value before the next name."""
        if self.take("}"):
            return
        while True:
            name = self.text(MAX_TEXT)
            if name is None or not self.take(":"):
                raise self._broken()
            yield name
            if self.take("}"):
                return
            if not self.take(","):
                raise self._broken()

    def elements(self) -> Iterator[None]:
        """Stop at each element of a list whose bracket was taken; whoever asks takes each before the next."""
        if self.take("]"):
            return
        while True:
            yield
            if self.take("]"):
                return
            if not self.take(","):
                raise self._broken()

    def text(self, longest: int, *, cut: bool = True) -> str | None:
        """Take the value that comes next; return it if it is a text that can be read, else None.

        Args:
            longest: in characters, as they are written.
            cut: return the beginning of a longer text, not None.
        """
        if self.next != '"':
            self.skip()
            return None
        begin = self.place + 1
        self._pass_string()
        length = self._closed - begin
        if length > longest and not cut:
            return None
        raw = self._text[begin : begin + min(length, longest)]
        if "\\" in raw:
            whole = _WHOLE_ESCAPES.match(raw) if length > longest else None
            try:
                raw = str(_UNESCAPE.decode(f'"{whole[0] if whole else raw}"'))
            except ValueError:
                return None
        return raw if raw.isascii() else raw.encode("utf-8", "surrogatepass").decode("utf-8", "replace")

    def skip(self) -> None:
        """Walk past the value that comes next, whatever it is."""
        if self.next == '"':
            self._pass_string()
        elif self.next in _CLOSING:
            self._pass_brackets()
        elif (found := _PLAIN.match(self._text, self.place)) is not None:
            self.place = found.end()
            self._skip_space()
        else:
            raise self._broken()

    def _pass_brackets(self) -> None:
        expected: list[str] = []
        while True:
            found = _BRACKET_OR_QUOTE.search(self._text, self.place)
            if found is None:
                self.place = len(self._text)
                raise self._broken()
            self.place = found.start()
            character = found[0]
            if character == '"':
                self._pass_string()
                continue
            self.place += 1
            if character in _CLOSING:
                expected.append(_CLOSING[character])
            elif expected.pop() != character:
                raise self._broken()
            elif not expected:
                self._skip_space()
                return

    def _pass_string(self) -> None:
        """Walk past a string whose quote comes next; a quote ends it unless an odd number of backslashes stands before it."""
        begin = end = self.place
        while True:
            end = self._text.find('"', end + 1)
            if end < 0:
                self.place = len(self._text)
                raise self._broken()
            before = end
            while before > begin + 1 and self._text[before - 1] == "\\":
                before -= 1
            if (end - before) % 2 == 0:
                break
        self._closed = end
        self.place = end + 1
        self._skip_space()

    def _broken(self) -> NoJsonFromHere:
        return NoJsonFromHere(f"it is no JSON from character {self.place + 1:,} on")

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self.place)
        self.place = found.end() if found else self.place
