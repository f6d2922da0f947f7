"""The bounds of the gates, and which of them are always demanded.

Pure. Excluded: judging by them (core/gates/evaluate.py).
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class GateName(StrEnum):
    """The gates, in the order in which people read them."""

    RSI = "rsi"
    ROLLBACKS = "rollbacks_per_1k"
    TRI = "tri_median"
    FAST_CAP = "fast_cap"
    SLOTS = "slots"
    DECISIONS = "decisions"
    FRESHNESS = "freshness"
    ALERT_PATH = "alert_path"


ALWAYS_DEMANDED = frozenset(GateName) - {GateName.ALERT_PATH}
"""The gates that no setting takes away."""


class GatePolicy(BaseModel):
    """The bounds of the gates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rsi_min: float = Field(0.85, ge=0, le=1, description="lowest route selection index, a share of live decisions")
    rollbacks_per_1k_max: float = Field(0.1, ge=0, description="most rollbacks per 1,000 live decisions")
    tri_median_min: float = Field(0.0, description="lowest median of the normalised TRI change")
    fast_cap: float = Field(0.15, ge=0, le=1, description="highest probability of R3 while an anomaly is engaged")
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

    @property
    def demanded(self) -> frozenset[GateName]:
        """The gates without which there is no GO."""
        return ALWAYS_DEMANDED if self.alert_path_minutes is None else frozenset(GateName)
