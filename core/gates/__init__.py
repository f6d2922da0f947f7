"""Pure. Figures become a report: PASS, FAIL or NO_DATA for each gate; and the guard between daily runs.

Comes in: figures of a window, the health of slots, the path of alerts, a policy. Goes out: a report. Excluded: measuring
(core/scan), and what follows from a report (core/rollout).
"""
