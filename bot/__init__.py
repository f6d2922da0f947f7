"""The Slack surface of the rollout, and the process around it. Asynchronous; everything it decides, core decides.

Slack --slash, buttons, forms--> command --desk: access, words--> one call into core in a worker thread --> answer to who asked
journal --stories, cards, outbox--> one message per story in the channel
"""
