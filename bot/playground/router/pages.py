"""The simulated router over HTTP: health and status of the process, its restart, and the demo's controls under /router.

Excluded: what the controls do (router.py).
"""

import json
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from bot.playground.router.router import SimulatedRouter
from bot.playground.router.settings import SettingsRejectedError
from bot.playground.router.switches import BURSTS, HABITS, ROTATIONS

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class RouterPages:
    """The addresses of one simulated router."""

    def __init__(self, router: SimulatedRouter) -> None:
        self._router = router

    def routes(self) -> list[web.RouteDef]:
        """List them: the process's own, how it is restarted, and the controls."""
        return [
            web.get("/health/slots", self._get_health),
            web.get("/router/status", self._get_status),
            web.post("/restart", self._post_restart),
            web.post("/hup", self._post_hup),
            web.post("/stop", self._post_stop),
            web.post("/start", self._post_start),
            web.get("/router/state", self._get_state),
            web.post("/router/misbehave", self._post_misbehave),
            web.post("/router/habits", self._post_habits),
            web.post("/router/rotate", self._post_rotate),
            web.post("/router/heal", self._post_heal),
        ]

    async def _get_health(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        if not self._router.running:
            return web.json_response({"error": "the router's process has ended"}, status=503)
        return web.json_response({"slots": self._router.slots()})

    async def _get_status(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        if not self._router.running:
            return web.json_response({"error": "the router's process has ended"}, status=503)
        return web.json_response({"anr": self._router.status()})

    async def _post_restart(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        try:
            self._router.restart()
        except SettingsRejectedError as error:
            return web.json_response({"ok": False, "error": str(error)}, status=500)
        return web.json_response({"ok": True})

    async def _post_hup(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        self._router.hup()
        return web.json_response({"ok": True})

    async def _post_stop(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        return await self._done(self._router.end)

    async def _post_start(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        try:
            return await self._done(self._router.begin)
        except SettingsRejectedError as error:
            return web.json_response({"ok": False, "error": str(error)}, status=500)

    async def _get_state(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        return web.json_response(self._router.shown())

    async def _post_misbehave(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        wanted = await _switches(request, BURSTS)
        return await self._done(lambda: self._router.misbehave_all(wanted))

    async def _post_habits(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        wanted = await _switches(request, HABITS)
        self._router.habits.update(wanted)
        return web.json_response({"ok": True, **self._router.shown()})

    async def _post_rotate(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        wanted = await _json(request)
        how = wanted.get("how") if isinstance(wanted, dict) else None
        if how not in ROTATIONS:
            raise _refused(f'Send {{"how": …}} with one of: {", ".join(ROTATIONS)}. Nothing was changed.')
        return await self._done(lambda: self._router.rotate(how))

    async def _post_heal(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        return await self._done(self._router.heal)

    async def _done(self, act: Callable[[], Awaitable[None]]) -> web.Response:
        try:
            await act()
        except OSError as error:
            text = f"The ledger could not be written ({error}); the control was left as it was. Try again."
            return web.json_response({"ok": False, "error": text}, status=500)
        return web.json_response({"ok": True, **self._router.shown()})


async def _json(request: web.Request) -> object:
    try:
        return await request.json()
    except ValueError:
        return None


async def _switches(request: web.Request, known: dict[str, str]) -> dict[str, bool]:
    wanted = await _json(request)
    if not isinstance(wanted, dict) or not all(name in known and isinstance(on, bool) for name, on in wanted.items()):
        raise _refused(f"Send a JSON object of true or false for: {', '.join(known)}. Nothing was changed.")
    return wanted


def _refused(text: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"ok": False, "error": text}), content_type="application/json")


def refuse_strangers(request: web.Request) -> None:
    """Refuse pages of other sites, also those whose name was re-pointed at this machine (DNS rebinding)."""
    origin = request.headers.get("Origin")
    host = urlsplit(f"//{request.host}").hostname
    if host not in LOOPBACK or (origin is not None and urlsplit(origin).netloc != request.host):
        raise web.HTTPForbidden(text="Only this machine's own page may do this. Nothing was changed.")
