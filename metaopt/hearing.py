"""How a stopper hears of curves: what is new of each; and of a few at a time, if it is asked apart.  Pure."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from metaopt.errors import place
from metaopt.objective import Objective, curve
from metaopt.stopping.base import Stopper
from metaopt.trial import ACTIVE, Trial
from metaopt.verdicts import Points, Weigh, Weighed

AT_ONCE = 4096
"""So many points are asked about in one question, at most."""


class Failures:
    """What goes wrong with a stopper: of each kind, by type and place, the first, tenth, hundredth... is told."""

    def __init__(self) -> None:
        self._counts = Counter[tuple[type, str]]()
        self.untold = list[str]()

    def add(self, number: int, error: Exception, fate: str = "goes on") -> None:
        """It has raised ``error`` over trial ``number``, which ``goes on``, or has ended: that stops nothing."""
        where = place(error)
        self._counts[type(error), where] += 1
        count = str(self._counts[type(error), where])
        if count.strip("0") == "1":
            often = "" if count == "1" else f" in this way {count} times, the last time"
            at = f" ({where})" if where else ""
            self.untold.append(f"the stopper failed{often} on trial {number}, which {fate}: {error!r}{at}")

    def told(self) -> list[str]:
        """What is to be told since."""
        told, self.untold = self.untold, []
        return told


def ask(stopper: Callable[[], Stopper], number: int, points: Sequence[tuple[float, float]], failures: Failures) -> str:
    """Why trial ``number`` should stop after these new ``points``; what goes wrong is among the ``failures``."""
    try:
        why = stopper().should_stop(number, [(step, value) for step, value in points]) if points else ""
        return str(why) if why else ""
    except Exception as error:  # noqa: BLE001 - a rule of the user's; it must not end the run
        failures.add(number, error)
        return ""


def weighed(stopper: Callable[[], Stopper], question: Weigh, failures: Failures) -> Iterator[Weighed | None]:
    """Have it look at one curve after the other, with a None after each; what it says comes last."""
    doubts = list[tuple[int, int, str]]()
    for number, attempt, *told in question.curves:
        why = ""
        for points in told:
            why = ask(stopper, number, points, failures)
        doubts += [(number, attempt, why)] if why else []
        yield None
    yield Weighed(tuple(doubts), tuple(failures.told()))


class News:
    """What is new of the curves of ``trials``, to be minimised: each point of an attempt is shown once."""

    def __init__(self, trials: Mapping[int, Trial], objective: Objective) -> None:
        self._trials, self._objective = trials, objective
        self._reached: dict[int, float] = {}
        self.shown: dict[int, int] = {}

    def again(self, number: int) -> None:
        """Another attempt at this trial has begun.

        Its curve is shown from the beginning, which may be said anew, but it is not judged where it has been before.
        """
        self.shown.pop(number, None)
        self._reached.pop(number, None)
        self._reach(number, len(self._trials[number].points))

    def forgotten(self, unheard: Mapping[int, int]) -> None:
        """All is shown again, and none of it judged again; of those ``unheard`` only so many points have been."""
        shown, self.shown = self.shown, {}
        for number, count in shown.items():
            self._reach(number, min(count, unheard.get(number, count)))

    def of(self, number: int, most: int | None = None) -> tuple[Points, Points]:
        """Of the ``most`` next points: those that were judged before, and those that are to be."""
        begin = self.shown.get(number, 0)
        new = self._trials[number].points[begin : None if most is None else begin + most]
        self.shown[number] = begin + len(new)
        sign = self._objective.sign
        told = tuple([(step, sign * value) for step, value in curve(new, self._objective.metric)])
        if (reached := self._reached.get(number)) is None:
            return (), told
        return tuple(p for p in told if p[0] <= reached), tuple(p for p in told if not p[0] <= reached)

    def _reach(self, number: int, count: int) -> None:
        """It has been judged as far as its first ``count`` points go."""
        if told := curve(self._trials[number].points[:count], self._objective.metric):
            steps = [step for step, _ in told]
            self._reached[number] = max([*steps, self._reached.get(number, steps[0])])


class Questions:
    """What a stopper that is asked apart is to be told of ``trials``, whose ``news`` these are.

    There is one question at a time, about what is new by then: so they batch themselves when it is slow, or does not
    answer, and no more has to be kept of what it is to hear than the numbers of the trials.
    """

    def __init__(self, trials: Mapping[int, Trial], news: News) -> None:
        self._trials, self._news = trials, news
        self._untold = OrderedDict[int, None]()
        self._asked: dict[int, int] | None = None

    def about(self, numbers: Iterable[int]) -> None:
        """There may be something new of these trials."""
        self._untold.update(dict.fromkeys(numbers))

    def next(self) -> Weigh | None:
        """The next one, unless there is nothing to ask, or an answer is awaited."""
        if self._asked is not None or not self._untold:
            return None
        asked, curves, left = dict[int, int](), list[tuple[int, int, Points, Points]](), AT_ONCE
        while self._untold and left > 0:
            number, _ = self._untold.popitem(last=False)
            trial = self._trials[number]
            if trial.state in ACTIVE and trial.inherited == len(trial.points):
                continue  # with its first report it is known which of the points before are void
            asked[number] = self._news.shown.get(number, 0)
            known, new = self._news.of(number, left)
            left -= self._news.shown[number] - asked[number]
            curves += [(number, trial.attempts, known, new)] if known or new else []
            left = left if curves else AT_ONCE  # points without the metric are none
            if self._news.shown[number] < len(trial.points):
                self._untold[number] = None
        self._asked = asked if curves else None
        return Weigh(tuple(curves)) if curves else None

    def answered(self) -> None:
        """Its answer has come."""
        self._asked = None

    def begin_anew(self, numbers: Iterable[int]) -> None:
        """Who is asked knows nothing any more of these trials, which are all, nor of the question."""
        self._news.forgotten(self._asked or {})
        self._asked = None
        self._untold.clear()
        self.about(numbers)
