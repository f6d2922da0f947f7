"""What slack_sdk raises when Slack refuses a call or cannot be reached.

aiohttp's own errors pass through the SDK; not all of them are OSErrors (a server that hangs up, for one).
"""

from aiohttp import ClientError
from slack_sdk.errors import SlackClientError

SLACK_FAILED = (SlackClientError, ClientError, OSError, TimeoutError)
