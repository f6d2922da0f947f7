"""The bot's metrics for Prometheus: names end in their base unit, counters in `_total`, times are seconds since 1970.

What happens is counted as it happens. What is so (gates, stage, holds, …) is measured in the background, on a thread, and
kept: a scrape never waits for a ledger. Operations and approvals are counted from the journal, so that a restart loses none.

Excluded: HTTP (bot/http/webhook.py); what a gate is (core/gates/evaluate.py).
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

from bot.dispatch.channel import TargetChannel
from bot.http.samples import Measured, Sample, measure
from core.alerts.payload import AlertStatus
from core.alerts.rules import Effect
from core.errors import AnrError
from core.receipts.chain import unseal
from core.receipts.observation import Sight
from core.receipts.plain import PlainReceipt
from core.receipts.receipt import Action, Phase, Receipt, Result
from core.system.logs import logger

log = logger(__name__)

_FREEZE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_APPROVAL_BUCKETS = (30, 60, 300, 900, 1800, 3600, 7200, 14400, 86400)
_REST, _LONGEST_REST_SECONDS = 10, 120.0
"""Measuring takes at most one part in ten of the time, as long as its figures do not grow old meanwhile: after five minutes
`AnrNotMeasured` pages, after ten they are left out (bot/http/samples.py)."""
_AT_ONCE = 512
"""How many receipts are read at a time."""
_STILL_SERVING = "1 while the running router is seen to serve more live traffic than was written, else 0."
_SIGHT = "1 for what was last seen of the running router, 0 for the others."
WEBHOOK_RESULTS = (
    *("accepted", "busy", "failed", "malformed", "off", "timeout", "too_large", "unauthorised", "unfinished", "unread"),
)
"""What a request to the webhook may be answered (bot/http/webhook.py)."""
_WATCHED_ACTIONS = (Action.PROMOTE, Action.ROLLBACK, Action.FREEZE)
_APPROVED = "approved"
_ENDS = {Action.DENY: "denied", Action.EXPIRE: "expired", Action.STALE: "stale"}


class Counters:
    """What is counted as it happens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.webhooks = Counter("anr_webhook_requests", "Requests to the webhook by result.", ["result"], registry=registry)
        self.alerts = Counter(
            "anr_alerts_heard", "Alerts heard by what they ask for.", ["target", "effect", "status"], registry=registry
        )
        self.freezes = Counter("anr_alert_freezes", "Freezes made by alerts.", ["target"], registry=registry)
        self.freeze_seconds = Histogram(
            "anr_alert_freeze_seconds",
            "From the webhook's request to the router's safe settings on disk.",
            ["target"],
            buckets=_FREEZE_BUCKETS,
            registry=registry,
        )
        self.slack_errors = Counter("anr_slack_api_errors", "Calls that Slack refused or lost.", ["error"], registry=registry)
        self.slack_connected = Gauge("anr_slack_connected", "1 while people in Slack reach the bot.", registry=registry)
        self.operations = Counter(
            "anr_operations", "Receipts by action and how it ended.", ["target", "action", "outcome"], registry=registry
        )
        self.approval_seconds = Histogram(
            "anr_approval_latency_seconds",
            "From a request to its answer.",
            ["target", "answer"],
            buckets=_APPROVAL_BUCKETS,
            registry=registry,
        )
        for result in WEBHOOK_RESULTS:
            self.webhooks.labels(result)

    def begin(self, target: str) -> None:
        """Count from zero what may happen at a router: to Prometheus a first time that never was 0 is no increase."""
        self.freezes.labels(target)
        self.freeze_seconds.labels(target)
        for effect in (*(effect.value for effect in Effect), "drill"):
            for status in AlertStatus:
                self.alerts.labels(target, effect, status.value)
        for action in _WATCHED_ACTIONS:
            for result in Result:
                self.operations.labels(target, action.value, result.value)
        for answer in sorted({*_ENDS.values(), _APPROVED}):
            self.approval_seconds.labels(target, answer)


def rest_after(took_s: float, every_s: float) -> float:
    """Return how long nothing is measured after all routers were, in seconds."""
    return max(every_s, min(_REST * took_s, _LONGEST_REST_SECONDS))


class SlackErrors(AsyncRetryHandler):
    """Counts what Slack refused or lost; it never asks for another attempt."""

    def __init__(self, counters: Counters) -> None:
        super().__init__()
        self._counters = counters

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        del state, request
        if error is not None:
            self._counters.slack_errors.labels(type(error).__name__).inc()
        elif response is not None and not (response.body or {}).get("ok", response.status_code < 400):
            self._counters.slack_errors.labels(str((response.body or {}).get("error") or response.status_code)[:60]).inc()
        return False


class Metrics(Collector):
    """Measures every router in the background and answers scrapes from what was measured last."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._registry = CollectorRegistry()
        self.counters = Counters(self._registry)
        Info("anr_build", "The version that runs.", registry=self._registry).info({"version": version("anr")})
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._registry.register(self)
        self._measured: dict[str, Measured] = {}
        self._read: dict[str, int] = {}
        self._asked: dict[str, Receipt] = {}
        self._daily: dict[str, Receipt] = {}
        self._begun: dict[str, float] = {}
        self._target_channels: Sequence[TargetChannel] = ()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="anr-measure")

    def exposition(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)

    async def run(self, target_channels: Sequence[TargetChannel]) -> None:
        """Measure again and again until cancelled."""
        self._target_channels = tuple(target_channels)
        for target_channel in target_channels:
            self.counters.begin(target_channel.target.settings.name)
        loop = asyncio.get_running_loop()
        while True:
            begun = time.monotonic()
            for target_channel in target_channels:
                try:
                    await loop.run_in_executor(self._thread, self._measure, target_channel)
                except Exception:  # the top of a job: what was measured last stands, and its age shows
                    log.exception("the figures could not be measured", target=target_channel.target.settings.name)
            await asyncio.sleep(rest_after(time.monotonic() - begun, self._every_s))

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(cancel_futures=True)

    def collect(self) -> Iterator[Metric]:
        """Yield what was measured last."""
        now = time.time()
        families: dict[str, GaugeMetricFamily] = {}
        for target, measured in sorted(self._measured.items()):
            for name, text, labels, value in (*measured.samples(now), *self._journal(target)):
                family = families.setdefault(name, GaugeMetricFamily(name, text, labels=["target", *labels]))
                family.add_metric([target, *labels.values()], value)
        yield from families.values()
        yield from self._seen()

    def _seen(self) -> Iterator[Metric]:
        """Yield what was seen of each running router a second ago: whoever is paged for it cannot wait for a measurement."""
        serving = GaugeMetricFamily("anr_router_still_serving", _STILL_SERVING, labels=["target"])
        sights = GaugeMetricFamily("anr_router_sight", _SIGHT, labels=["target", "sight"])
        for target_channel in self._target_channels:
            name, seen = target_channel.target.settings.name, target_channel.seen()
            serving.add_metric([name], float(seen is not None and seen.serves_too_much))
            for sight in Sight if seen is not None else ():
                sights.add_metric([name, sight.value], float(seen is not None and seen.sight is sight))
        yield serving
        yield sights

    def _journal(self, target: str) -> Iterator[Sample]:
        if target in self._read:
            yield "anr_journal_head", "Number of the newest receipt.", {}, self._read[target]
        if target in self._begun:
            yield "anr_begun_timestamp_seconds", "When the journal's first receipt was written.", {}, self._begun[target]
        daily = self._daily.get(target)
        at = daily.ts.timestamp() if daily else 0
        yield "anr_daily_run_timestamp_seconds", "When the last daily run was made; 0 is never.", {}, at
        if daily is not None and daily.go is not None:
            yield "anr_daily_run_go", "1 if the last daily run said GO.", {}, float(daily.go)

    def _measure(self, target_channel: TargetChannel) -> None:
        name = target_channel.target.settings.name
        self._measured[name] = measure(target_channel)
        try:
            oldest = target_channel.target.journal.oldest() if name not in self._begun else None
            if oldest is not None:
                self._begun[name] = oldest.receipt.ts.timestamp()
            while news := target_channel.target.journal.plain(after=self._read.get(name, 0), first=_AT_ONCE):
                for receipt, data in news:
                    self._count(name, receipt, data)
                    self._read[name] = receipt.seq
        except AnrError:
            return

    def _count(self, target: str, plain: PlainReceipt, data: bytes) -> None:
        outcome = plain.result or plain.phase
        if plain.phase != Phase.INTENT:
            self.counters.operations.labels(target, plain.action, outcome).inc()
        if plain.action == Action.DAILY or plain.approval_id:
            self._look_closer(target, unseal(data).receipt)

    def _look_closer(self, target: str, receipt: Receipt) -> None:
        if receipt.action is Action.DAILY:
            self._daily[target] = receipt
        if receipt.approval_id is None:
            return
        if receipt.action is Action.REQUEST:
            self._asked[receipt.approval_id] = receipt
        elif receipt.action is not Action.APPROVE and (asked := self._asked.pop(receipt.approval_id, None)):
            answer = _ENDS.get(receipt.action, _APPROVED)
            self.counters.approval_seconds.labels(target, answer).observe((receipt.ts - asked.ts).total_seconds())
