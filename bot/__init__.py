"""The Slack surface of the rollout, and the process around it. Asynchronous; everything it decides, core decides.

surfaces - command -> dispatch - one call into core in a worker thread -> views - an answer to who asked
journal - receipts -> stories - posts -> slack - one message per story in the channel
http - alerts -> core.brake
"""
