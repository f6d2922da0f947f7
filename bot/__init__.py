"""The Slack surface of the rollout, and the process around it. Asynchronous; everything it decides, core decides.

Slack --commands, access--> one call into core in a worker thread --> answer to the person who asked
journal --stories, messages--> one message per story in the channel
"""
