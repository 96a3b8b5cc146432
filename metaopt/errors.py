"""Every error that metaopt raises on purpose.

    MetaoptError                 what is wrong, and a hint: what to type next
    ├── ExperimentError          the experiment file: file, line, key
    ├── SpaceError               one parameter of a search space
    ├── GoalError                a constraint
    ├── PluginError              an optimizer, stopper or store that cannot be had
    ├── FunctionError            what metaopt.minimize() is to call, and how often
    ├── HistoryError             a history that cannot be read or written
    │   ├── HistoryMissing       there is none at this place
    │   ├── HistoryHeld          another run writes to it
    │   ├── HistoryCorrupt       a record in its middle cannot be read
    │   ├── Overtaken            others have written to it meanwhile
    │   ├── HistoryDiffers       it belongs to another experiment
    │   └── HistoryIncomplete    the run has ended, and not all of it could be written
    ├── DeviceError              GPUs or cores that cannot be had
    ├── NoResult                 what was asked for is not there yet
    ├── OptimizerGone            neither the optimizer nor random search can be run
    ├── LaunchError              started in a way that cannot work
    ├── QueueError               the queue of experiments cannot be used, or has no such experiment
    ├── Interruption             somebody has ended it
    └── WireError                bytes that are no message of ours

They are printed at one place (``metaopt.cli``), which also turns them into the exit status.
"""


class MetaoptError(Exception):
    """What is wrong, where, and what to type next.

    ``hint`` is a full sentence for a person; ``exit_status`` is what the command line leaves with.
    """

    exit_status = 2

    def __init__(self, problem: str, hint: str = "") -> None:
        """Say ``problem``, and ``hint``: what to do about it."""
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        """Problem and hint, a line each."""
        return f"{self.problem}\n  {self.hint}" if self.hint else self.problem


class ExperimentError(MetaoptError):
    """The experiment file is wrong at ``line`` (1-based; 0 when it is about the file as a whole)."""

    def __init__(self, file: str, line: int, key: str, problem: str, hint: str = "") -> None:
        """Locate ``problem`` at ``file``:``line`` and ``key`` (a dotted path, empty for the whole file)."""
        self.file, self.line, self.key = file, line, key
        where = f"{file}:{line}" if line else file
        super().__init__(f"{where}: {key}: {problem}" if key else f"{where}: {problem}", hint)


class SpaceError(MetaoptError):
    """A parameter (``name``) of a search space cannot be understood."""

    def __init__(self, name: str, problem: str, hint: str = "") -> None:
        """Say what is wrong with the parameter ``name``."""
        self.name = name
        self.bare = problem
        super().__init__(f"{name}: {problem}", hint)


class GoalError(MetaoptError):
    """A constraint cannot be understood."""


class PluginError(MetaoptError):
    """There is no such optimizer, stopper or store, or it lacks a method."""


class FunctionError(MetaoptError):
    """What is to be minimised cannot be called, or so often, or every call fails."""


class HistoryError(MetaoptError):
    """A history cannot be read or written."""


class HistoryMissing(HistoryError):
    """There is no history at this place."""


class HistoryHeld(HistoryError):
    """Another run writes to this history."""


class HistoryCorrupt(HistoryError):
    """A record in the middle of a history cannot be read."""


class Overtaken(HistoryError):
    """Others have written to this history meanwhile: read on, think again, and write then."""


class HistoryDiffers(HistoryError):
    """The history was made by another experiment."""


class HistoryIncomplete(HistoryError):
    """The run has ended, and not all of it could be written."""

    exit_status = 1


class DeviceError(MetaoptError):
    """The GPUs or cores that a trial needs cannot be had on a node."""


class NoResult(MetaoptError):
    """What was asked for is not there yet: no trial has a result."""

    exit_status = 1


class OptimizerGone(MetaoptError):
    """Neither the optimizer nor random search can be run any more."""

    exit_status = 1


class LaunchError(MetaoptError):
    """Metaopt was started in a way that cannot work."""


class QueueError(MetaoptError):
    """The queue of experiments cannot be used, or not in this way."""


class WalltimeShort(LaunchError):
    """The allocation ends before any trial would."""


class Interruption(MetaoptError):
    """Somebody has ended it before there was anything to show."""

    exit_status = 130


class WireError(MetaoptError):
    """Bytes that are no message of ours."""


def place(error: BaseException) -> str:
    """Where the file of what was called leads to ``error``, as file:line; empty when the call itself is wrong."""
    found, step = "", error.__traceback__ and error.__traceback__.tb_next
    file = step and step.tb_frame.f_code.co_filename
    while step is not None:
        found = f"{file}:{step.tb_lineno}" if step.tb_frame.f_code.co_filename == file else found
        step = step.tb_next
    return found
