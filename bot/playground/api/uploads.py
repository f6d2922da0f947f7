"""The external-URL upload: ask for a URL, send the bytes there, then say that it is complete.

Excluded: the old files.upload, which Slack has retired.
"""

import mimetypes
import secrets
from http import HTTPStatus
from typing import Final

from aiohttp import web

from bot.playground.api.chat import check_texts, writable
from bot.playground.api.web_api import Arguments, Call
from bot.playground.workspace.limits import POST_TEXT_MAX
from bot.playground.workspace.workspace import File, Json, SlackRefusal, Workspace

_NOBODY: Final = "http://127.0.0.1:9"
"""An address at which nothing listens (the discard port)."""
SHOWN_INLINE: Final = frozenset(("image/png", "image/jpeg", "image/gif"))
"""What the page may show. Anything else could be a program in the page's own origin, so it is only ever downloaded."""


def get_upload_url(call: Call) -> Json:
    """files.getUploadURLExternal: a URL that takes one upload of exactly `length` bytes."""
    name = call.arguments.required("filename")
    length = call.arguments.number("length", 0)
    if length <= 0:
        raise SlackRefusal("invalid_arguments", response_metadata={"messages": ["[ERROR] missing required field: length"]})
    file = File(call.workspace.next_id("F"), name, length, refusals_left=call.workspace.file_refusals)
    file.mimetype = mimetypes.guess_type(name)[0] or file.mimetype
    call.workspace.files[file.id] = file
    ticket = secrets.token_urlsafe(24)
    call.workspace.upload_tickets[ticket] = file.id
    host = _NOBODY if call.workspace.upload_host.blocked else call.workspace.upload_host.url
    return {"upload_url": f"{host}/upload/v1/{ticket}", "file_id": file.id}


def complete_upload(call: Call) -> Json:
    """files.completeUploadExternal: finishes uploads and shares them, when a channel is named."""
    workspace, arguments = call.workspace, call.arguments
    named = arguments.json("files")
    if not isinstance(named, list) or not named or not all(isinstance(entry, dict) for entry in named):
        raise SlackRefusal("invalid_arguments", response_metadata={"messages": ["[ERROR] missing required field: files"]})
    files = []
    for entry in named:
        file = workspace.files.get(str(entry.get("id")))
        if file is None or not file.uploaded or file.complete:
            raise SlackRefusal("file_not_found")
        files.append((file, str(entry.get("title") or file.name)))
    targets = [arguments.text("channel_id"), *arguments.text("channels").split(",")]
    comment, blocks, thread_ts = arguments.text("initial_comment"), arguments.json("blocks"), arguments.text("thread_ts")
    if comment or blocks:
        check_texts(workspace, comment, blocks, None, longest=POST_TEXT_MAX)
    channels = [
        writable(Call(workspace, Arguments({"channel": target}), call.grant, call.base_url)) for target in targets if target
    ]
    for file, title in files:
        file.complete, file.title = True, title
    described = [_described(call, file) for file, _ in files]
    for channel in channels:
        message = workspace.bot_message(comment, blocks or None, files=described, thread_ts=thread_ts or None)
        workspace.post(channel, message)
    workspace.changed()
    return {"files": described}


def _described(call: Call, file: File) -> Json:
    url = f"{call.base_url}/files/{file.id}"
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.mimetype,
        "size": file.length,
        "url_private": url,
        "permalink": url,
    }


class UploadRoutes:
    """The two addresses of a file: where its bytes go, and where the page gets them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def receive(self, request: web.Request) -> web.Response:
        """Take the bytes, raw or as a form; the URL is its own permission, once."""
        host = self._workspace.upload_host
        if host.until is not None:
            await host.until.wait()
        if host.status != HTTPStatus.OK:
            return web.Response(status=host.status, text="<html>not here</html>", content_type="text/html")
        file = self._workspace.files.get(self._workspace.upload_tickets.get(request.match_info["ticket"], ""))
        if file is None or file.uploaded:
            return web.Response(status=404, text="upload URL not found")
        if request.content_type == "multipart/form-data":
            fields = (await request.post()).values()
            content = next((part.file.read() for part in fields if isinstance(part, web.FileField)), b"")
        else:
            content = await request.read()
        if len(content) != file.length:
            return web.Response(status=400, text=f"expected {file.length} bytes, got {len(content)}")
        file.content, file.uploaded = content, True
        return web.Response(text=f"OK - {len(content)}")

    async def show(self, request: web.Request) -> web.Response:
        """Give a complete file to the page."""
        file = self._workspace.files.get(request.match_info["file_id"])
        if file is None or not file.complete:
            return web.Response(status=404, text="file not found")
        inline = file.mimetype in SHOWN_INLINE
        return web.Response(
            body=file.content,
            content_type=file.mimetype if inline else "application/octet-stream",
            headers={"Content-Disposition": "inline" if inline else "attachment"},
        )
