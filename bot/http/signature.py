"""Whether a request is Slack's: its signature over the raw body, before anything in it is read (Slack: verifying requests).

What is not signed leaves one line in the log, without its body: a body holds a `response_url` and a token, which are secrets.
"""

from http import HTTPStatus

from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from core.system.logs import logger

log = logger(__name__)


async def refuse_unsigned(request: web.Request, secret: str) -> web.Response | None:
    """Return the refusal of a request that Slack did not sign, or signed more than five minutes ago; None if Slack did."""
    body = await request.read()
    time = request.headers.get("X-Slack-Request-Timestamp", "")
    signature = request.headers.get("X-Slack-Signature", "")
    # digits only: the verifier makes a number of it, and of nothing else
    if time.isascii() and time.isdigit() and len(time) <= 12 and SignatureVerifier(secret).is_valid(body, time, signature):
        if _is_text(body):
            return None
        log.warning("a signed request that is no text was refused", size=len(body), remote=request.remote)
        return web.json_response({"error": "not UTF-8"}, status=HTTPStatus.BAD_REQUEST)
    log.warning("a request that Slack did not sign was refused", size=len(body), remote=request.remote)
    return web.json_response({"error": "invalid request"}, status=HTTPStatus.UNAUTHORIZED)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
