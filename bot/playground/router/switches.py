"""What can be switched at the simulated router, by name, with what each switch does: misbehaviours, and how its build differs.

A misbehaviour is a fault that the gates should see. A habit is nothing wrong: real routers differ in it, and a bot that takes
one of them for granted goes wrong at the next site. Excluded: what the switches lead to.
"""

from collections.abc import Mapping
from typing import Final

BURSTS: Final = {
    "rsi_drop": "Live routes leave the argmax. At once, if traffic is live: decisions enough for 24 h RSI near 0.80.",
    "rollbacks": "One live decision in five is rolled back. At once, if traffic is live: 2 per 1,000 live, at least 3.",
    "fast_cap": "R3 above 0.15 in anomalies. At once: 300 decisions, half of them breaches.",
    "slot_down": "slot08_lock is down for as long as this is on. Nothing is written to the ledger.",
    "ledger_stopped": "No line is written. At once: the last 20 minutes are cut off, as if it had stopped then.",
    "tri_drop": "TRI falls. At once: decisions enough for a negative 24 h median.",
}
"""Every misbehaviour by name, and what switching it on does besides changing the decisions to come."""

HABITS: Final = {
    "launcher_exports": "The launcher exports ENABLED=1 and PILOT=0.10, which beat the settings file from the next start on.",
    "restart_is_deaf": "The restart command ends well and restarts nothing: the process keeps the settings of its start.",
    "hup_ends_it": "SIGHUP ends the process, as with one uvicorn worker. Otherwise it changes nothing.",
    "no_live_pilot": "Live decisions do not say under which pilot they were served.",
    "masked_routes": "In an anomaly R1 and R3 are masked: they have no key in the probabilities.",
    "late_feedback": "Deployment feedback comes up to an hour late: lines lack it, or carry it as rewards (a rollback is -1.0).",
    "state_in_place": "The state is dumped into its file, without lock and rename: a reader may see it torn.",
}
"""Every habit by name, and what it means. All are off: the plain router."""

LAUNCHER_EXPORTS: Final[Mapping[str, str]] = {"NOVA_ANR_ENABLED": "1", "NOVA_ANR_PILOT": "0.10"}
"""What the launcher of the habit exports; one that real sites use does."""

ROTATIONS: Final = {
    "rename": "The ledger is renamed, and the next line begins a new one.",
    "copytruncate": "The ledger is copied, and then emptied where it is.",
}
"""The ways in which operators' scripts rotate the ledger."""
