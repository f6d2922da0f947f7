"""What slack_sdk raises when Slack refuses a call or cannot be reached, and what Slack's error codes mean for a message.

aiohttp's own errors pass through the SDK; not all of them are OSErrors (a server that hangs up, for one). Only the codes that
are listed here say that a message is wrong; Slack adds codes without notice, so that every other one passes.

Source: the method pages of Slack's documentation (chat.postMessage, chat.update, files.completeUploadExternal).
"""

from http import HTTPStatus
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError, SlackClientError

SLACK_FAILED = (SlackClientError, ClientError, OSError, TimeoutError)

_CONTENT = frozenset(
    {"msg_blocks_too_long", "msg_too_long", "no_text", "metadata_too_large", "invalid_attachments", "markdown_text_conflict"}
)
_CONTENT_BEGINS = ("invalid_blocks", "invalid_metadata")
_OTHER_CHANNEL = frozenset({"channel_not_found", "is_archived", "not_in_channel", "is_inactive"})
_OTHER_CHANNEL_BEGINS = "restricted_action"
_NOT_EDITABLE = frozenset({"message_not_found", "edit_window_closed", "cant_update_message"})
_STAYS = frozenset({"message_not_found", "cant_delete_message", "compliance_exports_prevent_deletion"}) | _OTHER_CHANNEL
"""Errors of chat.delete that no waiting ends: it is gone already, or nobody lets us."""
_FILE = frozenset({"missing_file_data", "file_deleted", "file_is_deleted", "file_not_found", "file_share_limit_reached"}) | {
    "blocked_file_type",
    "max_file_sharing_exceeded",
    "unable_to_share_files",
    "slack_connect_blocked_file_type",
    "slack_connect_file_link_sharing_blocked",
    "slack_connect_file_upload_sharing_blocked",
}
_VIEW_REFUSED = frozenset({"invalid_arguments", "view_too_large", "not_enabled", "not_implemented", "duplicate_external_id"}) | {
    "missing_profile_id",
    "user_not_found",
    "user_not_visible",
    "user_disabled",
}
"""Errors of views.publish that no waiting ends."""
_PERHAPS_DONE = frozenset({"fatal_error", "internal_error", "service_unavailable", "request_timeout"})
"""Slack: "It's possible some aspect of the operation succeeded before the error was raised"."""
_TOKEN = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"}) | {
    "not_allowed_token_type"
}
_AUTHORITY = _TOKEN | {"org_login_required"}


class AskedToWait(SlackClientError):
    """Slack asks to wait longer than a call waits by itself.

    Attributes:
        seconds: how long from now.
    """

    def __init__(self, method: str, seconds: float) -> None:
        super().__init__(f"Slack asks to wait {seconds:.0f} s before the next {method}")
        self.seconds = seconds


def code_of(error: BaseException) -> str:
    """Return Slack's code, or "" if the answer has none; an answer that is no JSON comes as aiohttp's own response."""
    answer: Any = getattr(error, "response", None)
    return str(answer.get("error") or "") if hasattr(answer, "get") else ""


def status_of(error: SlackApiError) -> int:
    """Return the HTTP status of the answer, 0 if it is not known."""
    answer: Any = error.response
    return int(getattr(answer, "status_code", None) or getattr(answer, "status", None) or 0)


def said(error: BaseException) -> str:
    """Return what went wrong in a word: Slack's code, or else the kind of failure."""
    return code_of(error) or type(error).__name__


def is_content(error: SlackApiError) -> bool:
    """Whether Slack refuses a message for what it is, so that the same again would be refused again."""
    code = code_of(error)
    return code in _CONTENT or code.startswith(_CONTENT_BEGINS)


def is_about_the_file(error: SlackApiError) -> bool:
    """Whether Slack refuses a message for a file in it."""
    return code_of(error) in _FILE


def wants_another_channel(error: SlackApiError) -> bool:
    """Whether nothing of ours can be posted in this channel, so that the message belongs in the fallback channel."""
    code = code_of(error)
    return code in _OTHER_CHANNEL or code.startswith(_OTHER_CHANNEL_BEGINS)


def is_not_editable(error: SlackApiError) -> bool:
    """Whether a message cannot be changed any more, so that it is posted anew."""
    return code_of(error) in _NOT_EDITABLE


def stays(error: SlackApiError) -> bool:
    """Whether a message that was to be deleted is gone already, or will stay whatever we do."""
    return code_of(error) in _STAYS


def is_the_token(error: SlackApiError) -> bool:
    """Whether Slack refuses a call for its token; everything else that it says passes, or is none of the token's fault."""
    return code_of(error) in _TOKEN


def was_not_done(error: BaseException) -> bool:
    """Whether Slack certainly did nothing: it refused, rather than failed or fell silent half-way."""
    if isinstance(error, AskedToWait):
        return True
    if not isinstance(error, SlackApiError):
        return False
    code, status = code_of(error), status_of(error)
    return bool(code) and code not in _PERHAPS_DONE and status in {HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS}


def is_outage(error: BaseException) -> bool:
    """Whether the next message would most likely meet the same: Slack is away, or does not know us."""
    if isinstance(error, AskedToWait):
        return False
    if isinstance(error, SlackApiError):
        code = code_of(error)
        return code in _AUTHORITY or status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, SLACK_FAILED)


def is_for_good(error: BaseException) -> bool:
    """Whether Slack refuses a view for what it is or whose it is, so that the same again would be refused again."""
    return code_of(error) in _VIEW_REFUSED
