"""The errors that callers may meet.

    AnrError                        base: message = what happened, what was not done, what to do next
    ├── ConfigurationError          settings that cannot be used (command line: exit 2)
    ├── LedgerUnreadable            the ledger is missing, or cannot be read
    ├── SettingsFileError           the router's settings file cannot be read or written
    ├── ReloadFailed                the reload command failed, or took too long
    ├── EndpointUnreadable          the router's own endpoint does not answer, or not understandably
    ├── JournalError                base of what goes wrong with the journal
    │   ├── JournalUnavailable      locked, missing, read-only, on a full disk
    │   ├── JournalCorrupt          rows or receipts that do not verify
    │   ├── JournalNewer            written by a newer anr, and left alone
    │   ├── OutcomeUnrecorded       the router was changed, and how that ended is not recorded
    │   └── CauseAlreadyRecorded    this cause has had its effect; carries the receipt's number
    ├── StateFileError              the bandit's state or a backup of it cannot be read, written or trusted
    │   └── StateFileMissing        the router never wrote a state
    ├── ArchiveError                the ledger cannot be archived; no line was lost
    ├── WitnessUnreadable           nobody can say which mark was shown last
    ├── PersonUnknown               nobody can say at present who somebody is, or what they may do
    ├── BrakeUnreadable             nobody can say whether the brake is on: promotion must not go on
    ├── NoAnswer                    an HTTP endpoint of the router gave no answer that can be used
    ├── OperationBusy               another operation holds the lock; names its holder
    ├── LockUnavailable             the lock cannot be taken at all: no right to write, no such folder
    └── OperationTimedOut           an operation reached its time limit

Refusals are not errors: a gate that fails or a role that is missing is a `Refuse` (core/rollout/decisions.py).
"""


class AnrError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigurationError(AnrError):
    """Settings that cannot be used; nothing was started."""


class LedgerUnreadable(AnrError):
    """The ledger is missing, is not a regular file, or cannot be read."""


class SettingsFileError(AnrError):
    """The router's settings file cannot be read, understood or written."""


class ReloadFailed(AnrError):
    """The reload command did not end with success inside its time limit."""


class EndpointUnreadable(AnrError):
    """The router's own endpoint did not answer inside its bounds, or says nothing that is understood."""


class JournalError(AnrError):
    """Base of what goes wrong with the journal."""


class JournalUnavailable(JournalError):
    """The journal cannot be opened, read or written at present."""


class JournalCorrupt(JournalError):
    """The journal can be read, but what it says does not hold together."""


class JournalNewer(JournalError):
    """The journal has a schema that this anr does not know; nothing of it was read or changed."""


class OutcomeUnrecorded(JournalError):
    """The router's settings were changed, and what came of it could not be recorded."""

    def __init__(self, served: str, reason: JournalError) -> None:
        super().__init__(
            f"{served} That could not be recorded ({reason}), so that nothing further is promoted: `rollback` takes live traffic "
            "away; once the journal can be written `anr recover` settles it, and puts back what was not seen at the router.",
        )


class CauseAlreadyRecorded(JournalError):
    """A receipt with this cause key exists: the cause has had its one effect.

    Attributes:
        seq: number of the receipt that recorded the cause.
    """

    def __init__(self, cause: str, seq: int) -> None:
        super().__init__(f"{cause} was already handled: receipt #{seq}. Nothing was done again.")
        self.cause = cause
        self.seq = seq


class StateFileError(AnrError):
    """The bandit's state, or a backup of it, cannot be read, written or trusted."""


class StateFileMissing(StateFileError):
    """There is no state file: the router never wrote one, or `state_file` names the wrong place."""


class ArchiveError(AnrError):
    """The ledger cannot be archived: renamed, compressed, moved or deleted once it is too old. No line was lost."""


class WitnessUnreadable(AnrError):
    """The newest mark that was shown outside of the journal cannot be read."""


class PersonUnknown(AnrError):
    """Nobody can say at present who somebody is, or what they may do."""


class BrakeUnreadable(AnrError):
    """The brake's directory cannot be read, so nothing but the safe settings may be written."""


class NoAnswer(AnrError):
    """An HTTP endpoint of the router gave no answer that can be used; the message says why in a few words.

    Attributes:
        reached: whether anything answered at its address at all.
    """

    def __init__(self, reason: str, *, reached: bool = True) -> None:
        super().__init__(reason)
        self.reached = reached


class OperationBusy(AnrError):
    """Another operation holds the operation lock."""


class LockUnavailable(AnrError):
    """The operation lock cannot be taken at all."""


class OperationTimedOut(AnrError):
    """An operation reached its time limit and stopped before it touched the router."""
