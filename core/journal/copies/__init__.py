"""Copies of the journal, and the journal made again: what is left when a disk is not.

Comes in: the database, or the receipts' files. Goes out: a copy that was read back and verified, or a journal of the same bytes.
Excluded: when copies are made (bot/jobs.py), and what receipts say.

Hands on nothing: SQLAlchemy is imported late.
"""
