"""What the stopper says of each trial, and which are to stop.  Pure; the scheduler acts on it."""

from collections.abc import Callable, Container, Iterable
from itertools import islice, takewhile

from metaopt.crew import Newcomers
from metaopt.hearing import Failures, News, Questions, ask
from metaopt.messages import Abandoned, Stop, Thawed
from metaopt.stopping.base import Finisher, Learner, Promoter, Stopper, is_apart
from metaopt.stopping.never import Never
from metaopt.study import Study
from metaopt.trial import State
from metaopt.verdicts import Weigh, Weighed

NEGATED = " (values are negated: more is better)"


class Judge:
    """Shows ``stopper`` what is new of each trial of ``study``; an error of it stops nothing.

    One that is asked apart is not touched: there are questions to it, and what it has answered is to be told.
    """

    def __init__(self, study: Study, stopper: Stopper) -> None:
        """Tell it of all that there is."""
        self._study, self._stopper = study, stopper
        self._news = News(study.trials, study.objective)
        self._questions = Questions(study.trials, self._news) if is_apart(stopper) else None
        self._doubts = list[tuple[int, int, str]]()
        self._blind = type(stopper) is Never  # one of the user's may be made of it
        self._promoter = stopper if isinstance(stopper, Promoter) else None
        self._learner, self._learnt = stopper if isinstance(stopper, Learner) else None, 0
        self._paused = Newcomers()
        self._resumed: set[int] = set()
        self._failures = Failures()
        self._whys(self._everything)

    @property
    def pauses(self) -> bool:
        """Whether what it stops may go on later: where the scripts of this run can."""
        return self._promoter is not None and self._study.resumes

    def failures(self) -> list[str]:
        """What went wrong with it since."""
        return self._failures.told()

    def again(self, number: int) -> None:
        """Another attempt at this trial has begun."""
        self._news.again(number)

    def stops(self, reported: Iterable[int], draining: str, last: float | None) -> list[Stop]:
        """Which trials of this run are to stop now that these have ``reported``: all, if it is ``draining``."""
        study, whys = self._study, self._whys(reported)
        running = study.workers.values() if draining and study.tally[State.RUNNING] else ()
        whys |= {each.trial: draining for each in running if each.trial is not None}
        reason = "interrupted" if draining else "paused" if self.pauses else "pruned"
        trials = ((study.trials[number], why) for number, why in whys.items())
        return [
            Stop(trial.worker, trial.number, trial.attempts, reason, why, last)
            for trial, why in trials
            if trial.run == study.run and trial.state is State.RUNNING and trial.worker is not None
        ]

    def question(self) -> list[Weigh]:
        """What a stopper that is asked apart is to be asked now, if anything."""
        question = self._questions and self._questions.next()
        return [question] if question else []

    def weighed(self, answer: Weighed) -> None:
        """It has answered, or begins anew."""
        self._doubts += answer.doubts
        self._failures.untold += answer.failures
        if self._questions is not None:
            self._questions.begin_anew(self._everything) if answer.anew else self._questions.answered()

    def resumed(self, number: int) -> None:
        """A trial that was paused goes on, as somebody else has found."""
        self._paused.drop(number)
        self._resumed.add(number)

    def thawed(self, *, last: bool) -> Thawed | None:
        """Which paused trial should go on now, if any should, and there is a worker without one to go on with.

        As the ``last`` ones they may wait for one.
        """
        study, idle = self._study, len(self._study.idle)
        able = self._blind or (self._promoter and study.resumes)
        if not (study.paused and able and (idle or last)):
            return None
        begun = takewhile(lambda number: study.trials[number].attempts, study.waiting)
        room = sum(1 for _ in islice(begun, idle)) < idle
        if not (last or room):
            return None
        if self._promoter is None:
            number = next(iter(study.paused))
            return Thawed(number, study.trials[number].attempts, "never: nothing is paused any more")
        try:
            return self._promoted(self._promoter, finish=last and (room or self._all_paused))
        except Exception as error:  # noqa: BLE001 - a rule of the user's; it must not end the run
            problem = "the stopper failed to say which paused trial goes on, and pauses none any more"
            self._failures.untold.append(f"{problem}: {error!r}")
            self._promoter = None
            return None

    def abandoned(self) -> list[Abandoned]:
        """The paused trials of this run, when nobody has any others that are open."""
        trials, paused = self._study.trials, self._study.paused if self._all_paused else ()
        return [Abandoned(number, trials[number].attempts) for number in paused]

    @property
    def _all_paused(self) -> bool:
        return self._study.tally[State.PAUSED] == len(self._study.open)

    def _promoted(self, promoter: Promoter, *, finish: bool) -> Thawed | None:
        """Tell it who is paused since, who are the last ones of them, and ask it; if it is to ``finish``, twice."""
        paused = self._study.paused
        for number in self._paused.among(paused):
            promoter.pause(number)
        found = self._among(paused, promoter.promote)
        if found is None and finish and isinstance(promoter, Finisher):
            found = self._among(paused, promoter.finish)
        if found is None:
            return None
        number, why = found
        if number not in paused:
            raise LookupError(number)
        self._paused.drop(number)
        why = f"{why}{NEGATED}" if self._study.objective.sign < 0 else why
        return Thawed(number, self._study.trials[number].attempts, why)

    def _among(self, paused: Container[int], ask: Callable[[], tuple[int, str] | None]) -> tuple[int, str] | None:
        """Whom it names, but for those that the optimizer has named before."""
        while (found := ask()) and found[0] in self._resumed and found[0] not in paused:
            self._resumed.discard(found[0])
        return found

    @property
    def _everything(self) -> list[int]:
        """All trials; what has ended comes first, since the others are judged by it."""
        return [*self._study.ended, *self._study.open]

    def _whys(self, reported: Iterable[int]) -> dict[int, str]:
        """Which attempts are not worth going on with, given what is new of these trials, or was answered since."""
        if self._blind:
            return {}
        if self._questions is None:
            found = [(number, self._verdict(number)) for number in reported]
            self._learn()
        else:
            self._questions.about(reported)
            doubts, self._doubts = self._doubts, []
            found = [(number, why) for number, of, why in doubts if self._study.trials[number].attempts == of]
        negated = NEGATED if self._study.objective.sign < 0 else ""
        return {number: f"{why}{negated}" for number, why in found if why}

    def _verdict(self, number: int) -> str:
        why = ""
        for points in self._news.of(number):
            why = ask(lambda: self._stopper, number, points, self._failures)
        return why

    def _learn(self) -> None:
        """Tell it of the trials that have completed since."""
        study, learner = self._study, self._learner
        begin = self._learnt if self._learnt <= len(study.ended) else 0  # a space that was revised leaves trials out
        self._learnt = len(study.ended)
        for trial in map(study.trials.__getitem__, study.ended[begin:] if learner else ()):
            if learner and trial.state is State.COMPLETED:
                try:
                    learner.completed(trial.number, study.objective.sign * trial.objectives[0])
                except Exception as error:  # noqa: BLE001 - a rule of the user's; it must not end the run
                    self._failures.add(trial.number, error, "has completed")
