import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.server import Playground
from tests.bot.playground.api.test_web_api import OPS, refused


async def test_an_upload_by_external_url_can_be_shown_in_a_block(playground: Playground, client: AsyncWebClient) -> None:
    """The three steps end in a file whose bytes the page gets, and that an image block may name once processed."""
    playground.workspace.file_refusals = 1
    uploaded = await client.files_upload_v2(filename="chart.png", content=b"\x89PNG bytes", channel=OPS, title="Chart")
    file_id = uploaded["file"]["id"]
    image = {"type": "image", "slack_file": {"id": file_id}, "alt_text": "chart"}
    not_yet = await refused(client.chat_postMessage(channel=OPS, text="chart", blocks=[image]))
    assert not_yet["error"] == "invalid_blocks"
    await client.chat_postMessage(channel=OPS, text="chart", blocks=[image])
    assert playground.messages(OPS)[0]["files"][0]["title"] == "Chart"
    async with aiohttp.ClientSession() as session, session.get(f"{playground.url}/files/{file_id}") as answer:
        assert (await answer.read(), answer.content_type) == (b"\x89PNG bytes", "image/png")


async def test_files_go_to_a_host_of_their_own(playground: Playground, client: AsyncWebClient) -> None:
    """As to files.slack.com: what a company lets through to the Web API may not get there, and it answers nothing else."""
    given = (await client.files_getUploadURLExternal(filename="a.csv", length=3))["upload_url"]
    assert given.startswith(playground.workspace.upload_host.url)
    assert not given.startswith(playground.url)
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{playground.workspace.upload_host.url}/api/auth.test") as answer:
            assert answer.status == 403
        async with session.post(given, data=b"id\n") as answer:
            assert (answer.status, await answer.text()) == (200, "OK - 3")
