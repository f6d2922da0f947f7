"""One sign for each state that a message can be in: a channel's list and a lock screen are read by it.

Pure. A title begins with its sign, in the message's header and in its fallback alike. Characters and no names between colons,
because a lock screen and a header that holds outside text show names as they are typed.
"""

from enum import StrEnum


class State(StrEnum):
    """How what a message is about stands; the value is its sign."""

    ASKED = "⏳"
    RUNNING = "🔄"
    PROMOTED = "🚀"
    LOWERED = "⬇️"
    WRITTEN = "📝"
    """The settings were written, and the router was not seen to follow yet."""
    BRAKED = "🛑"
    DANGER = "🚨"
    """Somebody has to act on the router now."""
    HELD = "❄️"
    LIFTED = "🔓"
    DENIED = "🚫"
    LAPSED = "⚪"
    """Nothing came of it: nobody answered, or what it was bound to changed."""
    FAILED = "❌"
    LEARNING = "🌱"
    GO = "🟢"
    NO_GO = "🔴"
    ANNOUNCED = "📅"
    SKIPPED = "⏩"
    PAUSED = "⏸️"
    RESUMED = "▶️"
    DIFFERS = "⚠️"
    WATCHED = "🛡️"
    """A rule or the guard that only observes would have frozen."""
    FIRING = "🔥"
    FINE = "✅"
    BEGUN = "🏁"


def titled(state: State, words: str) -> str:
    """Return a title: its sign, and then the words."""
    return f"{state.value} {words}"


def named(title: str, router: str) -> str:
    """Return a title that names the router, behind its sign; for a bot that operates several."""
    sign, blank, words = title.partition(" ")
    return f"{sign} [{router}] {words}" if blank and sign in _SIGNS else f"[{router}] {title}"


_SIGNS = frozenset(state.value for state in State)
