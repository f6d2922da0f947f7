"""The bounds of the gates, and which of them are always demanded.

Pure. Excluded: judging by them (core/gates/evaluate.py).
"""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator


class GateName(StrEnum):
    """The gates, in the order in which people read them."""

    RSI = "rsi"
    ROLLBACKS = "rollbacks_per_1k"
    TRI = "tri_median"
    FAST_CAP = "fast_cap"
    SLOTS = "slots"
    DECISIONS = "decisions"
    READING = "reading"
    SPAN = "span"
    FRESHNESS = "freshness"
    ALERT_PATH = "alert_path"


ALWAYS_DEMANDED = frozenset(GateName) - {GateName.ALERT_PATH}
"""The gates that no setting takes away."""
COVERED = (GateName.ROLLBACKS, GateName.TRI, GateName.FAST_CAP)
"""The gates that need more of an entry than its routes, so that it matters how many entries tell."""
DAY_MINUTES = 24 * 60
COVERAGE_MIN = 0.5
"""The least share of entries that have to tell what a gate asks, unless the options say another."""


class GatePolicy(BaseModel):
    """The bounds of the gates."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rsi_min: float = Field(0.85, ge=0, le=1, description="lowest route selection index, a share of live decisions")
    rollbacks_per_1k_max: float = Field(0.1, ge=0, description="most rollbacks per 1,000 live decisions")
    tri_median_min: float = Field(0.0, description="lowest median of the normalised TRI change")
    fast_cap: float = Field(0.15, ge=0, le=1, description="highest probability of R3 while an anomaly is engaged")
    live_min: int = Field(30, ge=1, description="fewest live decisions in the window for RSI and rollbacks to be judged")
    coverage_min: float | Mapping[GateName, float] = Field(
        COVERAGE_MIN,
        description="least share of entries that tell what a gate asks; by gate, `{ rollbacks_per_1k = 0 }` accepts that none do",
    )
    skipped_max: float = Field(0.01, ge=0, le=1, description="largest share of the window's lines that could not be counted")
    span_min: float = Field(
        0.9, ge=0, le=1, description="least share of the window between the ledger's oldest entry in it and its newest"
    )
    decisions_min: int = Field(100, ge=1, description="fewest decisions in the window")
    fresh_minutes: float = Field(15, gt=0, description="greatest age of the newest ledger entry, in minutes")
    critical_slots: tuple[str, ...] = Field(
        ("slot04", "slot08_lock", "slot09", "slot10"),
        min_length=1,
        description="slots that must be healthy",
    )
    alert_path_minutes: float | None = Field(
        None,
        gt=0,
        description="greatest age of the Watchdog alert, in minutes; unset: as `alerts.watchdog_minutes` once a token is set",
    )
    alert_path_proof_days: float | None = Field(
        None,
        gt=0,
        description="greatest age of the last `anr drill alerts` whose alert arrived, in days; unset: not asked",
    )

    @field_validator("coverage_min")
    @classmethod
    def _are_shares_of_gates(cls, value: float | Mapping[GateName, float]) -> float | Mapping[GateName, float]:
        named = value if isinstance(value, Mapping) else {}
        if wrong := [name for name in named if name not in COVERED]:
            raise ValueError(f"{wrong[0]} has no coverage; the gates that have one are {', '.join(COVERED)}")
        if not all(0 <= share <= 1 for share in (named.values() if isinstance(value, Mapping) else [value])):
            raise ValueError("a coverage is a share, from 0 to 1")
        return value

    def coverage_min_of(self, name: GateName) -> float:
        """Return the least share of entries that have to tell what a gate asks."""
        return self.coverage_min.get(name, COVERAGE_MIN) if isinstance(self.coverage_min, Mapping) else self.coverage_min

    @property
    def demanded(self) -> frozenset[GateName]:
        """The gates without which there is no GO."""
        return ALWAYS_DEMANDED if self.alert_path_bound is None else frozenset(GateName)

    @property
    def alert_path_bound(self) -> float | None:
        """Greatest age of the sign of life that is asked of the alert path, in minutes; None if none is."""
        if self.alert_path_minutes is not None or self.alert_path_proof_days is None:
            return self.alert_path_minutes
        return self.alert_path_proof_days * DAY_MINUTES
