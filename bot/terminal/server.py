"""The socket in `run_dir` by which command lines of this machine reach the bot (the protocol: core/cli/protocol.py).

Who may open it is its group, which is the run folder's; who asks says the kernel, and nothing that they send. Brakes have
threads of their own, so that no report delays them; no account has more than a few commands at once, and nothing is begun
before the other end has heard that the bot is ready.

Excluded: the commands (core/cli/app.py).
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.cli import protocol
from core.cli.app import carried_out
from core.cli.context import MADE_SAFE, Caller, Served
from core.cli.output import ELSEWHERE, Elsewhere
from core.cli.said import CALLER
from core.settings.account import account_of
from core.settings.settings import Settings
from core.system.files import make_folder
from core.system.logs import logger
from core.system.peers import Peer, listening_at, peer_of, removed

log = logger(__name__)

_REQUEST_SECONDS = 5.0
"""How long a connection may take to say what it wants, and to say that it is to begin."""
_MOST_CONNECTIONS, _MOST_OF_ONE = 64, 8
_UNSENT_BYTES = 32 << 20
"""What may wait for a reader that does not read; then it is let go, and hears no more of what goes on."""
_READING_SECONDS = 60.0
"""How long a reader may take for the rest once all is done."""
_BRAKE_MARGIN_SECONDS = 20.0
"""What a brake may take beside two restarts and the look after it, in seconds."""


class _Request(BaseModel):
    """What a command line asks for."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    anr: int
    words: list[str] = Field(max_length=1000)
    columns: int = Field(80, ge=1, le=10_000)
    terminals: tuple[bool, bool] | list[bool] = Field(default=(False, False), min_length=2, max_length=2)
    variables: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command that was understood, and who asks for it."""

    request: _Request
    typed: protocol.Typed
    peer: Peer


class _Refused(Exception):
    """A request that is not begun; the message says why, empty if whoever asked finds out by themselves."""


class TerminalServer:
    """Serves the command lines of this machine."""

    def __init__(
        self,
        settings: Settings,
        routers: Mapping[str, Served],
        options: Path | None,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        """Put it together.

        Args:
            settings: the bot's: who is who, and who may what.
            routers: by their names, in the order of the settings.
            options: the file that the settings come from; None if they come from variables.
            on_done: told when a command has ended.
        """
        self._settings = settings
        self._options = options
        self._routers = routers
        self._on_done = on_done
        self._brakes = ThreadPoolExecutor(4, thread_name_prefix="anr-terminal-brake")
        self._work = ThreadPoolExecutor(4, thread_name_prefix="anr-terminal")
        self._open: Counter[int] = Counter()
        self._serving: set[asyncio.Task[Any]] = set()
        self._ending = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve while the block lasts, in the run folder of each router; at the end finish what was begun.

        Where there is no such socket, as on Windows, or it cannot be made, the bot runs without it and says so.
        """
        async with contextlib.AsyncExitStack() as listeners:
            for router in self._routers.values():
                path = router.target.settings.run_dir / protocol.SOCKET
                try:
                    await listeners.enter_async_context(self._listening_at(path))
                except (OSError, NotImplementedError) as error:
                    log.error(  # noqa: TRY400 - foreseen
                        "command lines of other accounts do not reach the bot: %s cannot be made (%s)", path, error
                    )
            try:
                yield
            finally:
                self._ending.set()
                await listeners.aclose()
                while self._serving:
                    await asyncio.gather(*self._serving, return_exceptions=True)
                self._brakes.shutdown()
                self._work.shutdown()

    @asynccontextmanager
    async def _listening_at(self, path: Path) -> AsyncIterator[None]:
        if sys.platform == "win32":
            raise NotImplementedError("Windows says of no socket who is at its other end")
        make_folder(path.parent)
        listener, made = listening_at(path)
        server = await asyncio.start_unix_server(self._serve, sock=listener, limit=protocol.MAX_REQUEST_BYTES)
        try:
            yield
        finally:
            server.close()
            with contextlib.suppress(OSError):
                removed(path, made)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        line = _Line(writer, asyncio.get_running_loop())
        peer: Peer | None = None
        try:
            peer = peer_of(writer.get_extra_info("socket"))
            self._open[-1 if peer is None else peer.uid] += 1
            asked = await self._understood(reader, peer)
            line.say({"ready": self._ready(asked.typed)})
            if await self._heard(reader) != {"go": True}:
                return
            await self._carry_out(asked, line)
        except _Refused as refused:
            line.say({"not": str(refused)})
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.info("a command line said nothing that is understood, and nothing was begun: %s", error or type(error).__name__)
        except Exception:  # the top of a listener: the next one is served
            log.exception("a command line could not be served")
        finally:
            self._open[-1 if peer is None else peer.uid] -= 1
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_READING_SECONDS):
                    await writer.drain()
            writer.close()

    async def _understood(self, reader: asyncio.StreamReader, peer: Peer | None) -> _Asked:
        """Return what is asked for.

        Raises:
            _Refused: it is not done here.
            ValueError, TimeoutError: it is nothing that can be understood, or did not come in time.
        """
        if peer is None:
            raise _Refused("nobody can tell who asks")
        said = await self._heard(reader)
        if said.get("anr") != protocol.VERSION:
            raise _Refused(f"it is of another version (protocol {protocol.VERSION})")
        try:
            request = _Request.model_validate(said)
        except ValidationError as error:
            raise ValueError("no request") from error
        typed = protocol.understood(request.words)
        if not typed.is_for_bot:
            raise _Refused("")
        if self._open[peer.uid] > _MOST_OF_ONE or self._open.total() > _MOST_CONNECTIONS:
            raise _Refused("it has too much to do")
        if self._ending.is_set():
            raise _Refused("it is being stopped")
        return _Asked(request, typed, peer)

    async def _heard(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        async with asyncio.timeout(_REQUEST_SECONDS):
            heard = await reader.readuntil(b"\n")
        try:
            said = json.loads(heard)
        except RecursionError as error:
            raise ValueError("too deep") from error
        if not isinstance(said, dict):
            raise ValueError("no object")  # noqa: TRY004 - as every other line that is none of ours
        return said

    def _ready(self, typed: protocol.Typed) -> dict[str, Any]:
        return {"pid": os.getpid(), "host": socket.gethostname(), "within_s": self._longest_brake if typed.brakes else None}

    @property
    def _longest_brake(self) -> float:
        options = [router.target.settings for router in self._routers.values()]
        restarts = max(2 * target.reload_timeout_s + target.observe_timeout_s for target in options)
        return restarts + _BRAKE_MARGIN_SECONDS

    async def _carry_out(self, asked: _Asked, line: "_Line") -> None:
        """Do it in a thread, and say meanwhile that the bot is there."""
        context = copy_context()
        pool = self._brakes if asked.typed.brakes else self._work
        work = asyncio.get_running_loop().run_in_executor(pool, context.run, self._done, asked, line.write)
        while not (await asyncio.wait({work}, timeout=protocol.ALIVE_SECONDS))[0]:
            line.say({"alive": True})
        code = work.result()
        line.say({"not": ""} if code is None else {"exit": code, "safe": context.get(MADE_SAFE, False)})
        self._on_done()

    def _done(self, asked: _Asked, write: Callable[[str, bool], None]) -> int | None:
        """Do it for whoever asks, in this context alone; return the exit code, None if their own command line has to."""
        request, account = asked.request, account_of(asked.peer)
        variables = {name: value for name, value in request.variables.items() if name in protocol.VARIABLES}
        ELSEWHERE.set(Elsewhere(write, request.columns, (request.terminals[0], request.terminals[1]), variables))
        MADE_SAFE.set(False)
        CALLER.set(Caller(account, self._settings, self._options, self._routers))
        code = carried_out(request.words)
        log.info("carried out for a command line", command=asked.typed.command, account=account.name, code=code)
        return code


class _Line:
    """What is said to one command line, from any thread. A reader that does not read is let go, and delays nobody."""

    def __init__(self, writer: asyncio.StreamWriter, loop: asyncio.AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop

    def write(self, text: str, errors: bool) -> None:  # noqa: FBT001 - a stream's
        """Say a text, from a worker thread."""
        for at in range(0, len(text), protocol.CHUNK):
            self._loop.call_soon_threadsafe(self.say, {"err" if errors else "out": text[at : at + protocol.CHUNK]})

    def say(self, what: Mapping[str, Any]) -> None:
        """Say a line, in the loop's own thread."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > _UNSENT_BYTES:
            transport.abort()
            return
        self._writer.write(json.dumps(what).encode() + b"\n")
