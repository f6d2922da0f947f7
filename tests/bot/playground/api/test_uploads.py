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
