"""How a run stands, drawn for a terminal of any size: by the run itself, and by who watches it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from metaopt.scalars import counted
from metaopt.sparkline import sparkline
from metaopt.study import Study
from metaopt.trial import State, Trial

WORKERS, RECENT = 8, 5
"""Of so many workers it is shown what they do, and so many of the trials that have ended last: where there is room."""
FIXED = 10
"""Lines for everything else."""
SPARK, SHORT = 40, 16
"""How wide a curve is at most: that of one experiment, and that of each of several."""
WIDE = 120
"""How long the line of a failed trial is at most: what its script has printed may be of any length."""
INDENT = "  "
UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0))


@dataclass(frozen=True, slots=True)
class Figures:
    """How a run stands.  Of the ``offered`` seconds of its workers scripts ran in those that are ``spent``.

    ``waiting`` are trials that are to be run again, ``ahead`` points with which none has begun; ``rate`` is how many
    trials end in a second; ``left`` is seconds.
    """

    done: int
    running: int
    waiting: int
    ahead: int
    failed: int
    stopped: int
    paused: int
    total: int
    workers: int
    spent: float
    offered: float
    rate: float
    left: float | None

    @property
    def busy(self) -> float:
        """The share of the workers' time in which a script ran."""
        return min(self.spent / self.offered, 1.0) if self.offered > 0 else 0.0

    @classmethod
    def of(cls, study: Study, total: int, now: float) -> "Figures":
        """The figures of the present run at ``now``."""
        crew = study.crews[study.run]
        ahead = [not study.trials[number].attempts for each in study.crews.values() for number in each.waiting]
        offered = crew.served + sum(now - worker.joined for worker in crew.workers.values())
        begun = crew.begun
        done, left = len(study.ended), None
        if study.tries and study.workers:
            to_do = max(total - done - study.tally[State.PAUSED] - crew.busy / 2, 0.0)
            left = study.spent / study.tries * to_do / len(study.workers)
        return cls(
            done=done,
            running=crew.busy,
            waiting=ahead.count(False),
            ahead=ahead.count(True),
            failed=study.tally[State.FAILED],
            stopped=study.tally[State.STOPPED],
            paused=study.tally[State.PAUSED],
            total=total,
            workers=len(study.workers),
            spent=crew.work(now),
            offered=offered,
            rate=study.tries / (now - begun) if begun is not None and now > begun else 0.0,
            left=left,
        )

    def __str__(self) -> str:
        """One line, the same in a terminal and in a log."""
        return f"{self.ended} trials done, {self.states}"

    @property
    def ended(self) -> str:
        """How many trials have ended, of how many."""
        return f"{self.done}/{self.total or '?'}"

    @property
    def states(self) -> str:
        """In which states the others are, and how some of these have ended."""
        parts = [f"{self.running} running"]
        parts += [f"{self.waiting} to be run again"] if self.waiting else []
        parts += [f"{self.paused} paused"] if self.paused else []
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.stopped} stopped early"] if self.stopped else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Part:
    """One of several experiments: its study, how many trials it is to have, and what else there is to say of it."""

    study: Study
    total: int
    notes: Sequence[Text] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """What they share: so many ``workers``, lost ones too, who are there since ``begun``.

    ``spent`` are the seconds in which scripts ran of experiments that are over.
    """

    workers: int
    begun: float
    spent: float = 0.0


def picture(study: Study, total: int, now: float, console: Console, *notes: Text, lasts: bool = True) -> RenderableType:
    """All of it, and unless it ``lasts`` no longer the time left; ``notes`` are what else to say, a line each."""
    figures = Figures.of(study, total, now)
    room = max(console.size.height - FIXED - len(notes), 2)
    workers = [_line(each, console) for each in _at_work([("", study)], now, min(WORKERS, room - room // 3))]
    ended = range(max(figures.done - min(RECENT, room - len(workers)), 0), figures.done)
    return Group(
        _head(study, figures, now),
        _bar(figures, _left(study, figures, now) if lasts else ""),
        Text(best_line(study), style="green"),
        *(_line(curve, console, "green") for curve in _curve(study, console, SPARK)),
        Text(busy_line(figures)),
        *notes,
        *workers,
        *(_line(one_line(study, index, total), console, "dim") for index in reversed(ended)),
    )


def _line(text: str, console: Console, style: str = "") -> Text:
    """One line, whatever the width."""
    return Text(text, style, no_wrap=True, overflow="crop" if console.options.ascii_only else "ellipsis")


def pictures(parts: Sequence[Part], pool: Pool, now: float, console: Console) -> RenderableType:
    """Several experiments: what they do together, a block each, and what the first workers do.

    In a window that is too low for all of that each has one line; if need be, only the first ones have.
    """
    figures = [Figures.of(part.study, part.total, now) for part in parts]
    known = list(zip(parts, figures, strict=True))
    overall = f"{counted(len(parts), 'experiment')}  {busy_line(_sum(figures, pool, now))}"
    lines = _wrapped(Text(overall), console)
    room = max(console.size.height - 1 - len(lines), 1)
    drawn = [line for part, its in known for line in _block(part, its, now, console)]
    if len(drawn) > room - min(room // 3, WORKERS):
        drawn = [_short(part, its, now, console) for part, its in known]
    if len(drawn) > room:
        drawn[room - 1 :] = [Text(f"and {len(drawn) - room + 1} experiments more")]
    studies = [(f"{_name(part.study)}: ", part.study) for part in parts]
    workers = _at_work(studies, now, min(WORKERS, room - len(drawn)))
    return Group(*lines, *drawn, *(_line(doing, console) for doing in workers))


def _sum(figures: Sequence[Figures], pool: Pool, now: float) -> Figures:
    """How busy the workers are that these share, and have shared."""
    return replace(
        figures[0],
        running=sum(each.running for each in figures),
        workers=pool.workers,
        spent=pool.spent + sum(each.spent for each in figures),
        offered=pool.workers * (now - pool.begun),
        rate=sum(each.rate for each in figures),
    )


def _block(part: Part, figures: Figures, now: float, console: Console) -> Iterator[Text]:
    """One of several experiments, in lines."""
    study = part.study
    yield from _wrapped(_head(study, figures, now), console)
    best = "  ".join([*_curve(study, console, SHORT), best_line(study)])
    yield _line(f"{INDENT}{best}", console, "green")
    left = _left(study, figures, now)
    yield from _wrapped(Text(f"{busy_line(figures)}{'; ' * bool(left)}{left}"), console, INDENT)
    for note in part.notes:
        yield _line(f"{INDENT}{note.plain}", console, str(note.style))


def _short(part: Part, figures: Figures, now: float, console: Console) -> Text:
    """The same, in a line."""
    left = _left(part.study, figures, now)
    said = [figures.ended, _best(part.study), left, figures.states, *(note.plain for note in part.notes)]
    line = _line("  ".join([_name(part.study), *filter(None, said)]), console)
    line.stylize("bold", 0, len(_name(part.study)))
    return line


def _wrapped(text: Text, console: Console, indent: str = "") -> list[Text]:
    """The same in lines of this width."""
    width = max(console.size.width - len(indent), 1)
    lines = [text] if text.cell_len <= width else list(text.wrap(console, width))
    for line in lines:
        line.rstrip()
    return [Text(indent).append_text(line) for line in lines]


def _name(study: Study) -> str:
    return str(study.experiment.get("name", ""))


def _head(study: Study, figures: Figures, now: float) -> Text:
    """What it is called, how many trials are in which state, and since when."""
    begun = study.crews[study.run].begun
    since = "" if begun is None else f"  {clock(now - begun)}"
    return Text.assemble((_name(study), "bold"), f"  {figures}{since}")


def _left(study: Study, figures: Figures, now: float) -> str:
    """How long the rest may take, and how long the allocation lasts, as far as that is known."""
    deadline = study.crews[study.run].deadline
    left = [] if figures.left is None else [f"about {clock(figures.left)} left"]
    left += [] if deadline is None else [f"allocation {clock(max(deadline - now, 0.0))}"]
    return ", ".join(left)


def _bar(figures: Figures, left: str) -> RenderableType:
    """How much is done, and how long it lasts."""
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(ratio=1)
    bar.add_column(justify="right")
    bar.add_row(ProgressBar(total=max(figures.total, 1), completed=figures.done), left)
    return bar


def _curve(study: Study, console: Console, widest: int) -> Iterator[str]:
    """That of the best trial, if it has more than a point."""
    best, metric = study.best, study.objective.metric
    values = [] if best is None else [value for _, value in best.curve(metric)]
    if len(values) > 1:
        said = f"{values[0]:.4g} to {values[-1]:.4g}"
        width = min(max(console.size.width - len(said) - 2, 8), widest)
        yield f"{sparkline(values, width, ascii_only=console.options.ascii_only)}  {said}"


def _at_work(studies: Sequence[tuple[str, Study]], now: float, count: int) -> Iterator[str]:
    """What the first workers do for which of these, in ``count`` lines, and how many more there are."""
    workers = [(number, name, study) for name, study in studies for number in study.workers]
    workers.sort(key=lambda each: each[:2])
    shown = workers if len(workers) <= count else workers[: max(count - 1, 0)]
    for number, name, study in shown:
        worker = study.workers[number]
        doing = "idle" if worker.trial is None else _doing(study.trials[worker.trial], now)
        yield f"{number:>4}  {name}{doing}  {worker.host} {worker.device}"
    if count > 0 and len(workers) > len(shown):
        yield f"      and {len(workers) - len(shown)} workers more"


def _doing(trial: Trial, now: float) -> str:
    """The trial that a worker runs, since when, and what its script said last."""
    since = "starts" if trial.begun is None else clock(now - trial.begun)
    said = [f"{name}={value:.4g}" for _, values in trial.points[-1:] for name, value in values.items()]
    return "  ".join([f"trial {trial.number} {since}", *said, *(f"at {step:g}" for step, _ in trial.points[-1:])])


def one_line(study: Study, index: int, total: int) -> str:
    """What became of the trial that ended as the ``index``-th (0, 1, ...)."""
    trial = study.trials[study.ended[index]]
    took = "" if trial.duration is None else f" in {trial.duration:.1f} s"
    said = f" {study.goals.said(trial.objectives, '=', ' ')}" if trial.objectives else ""
    what = f"[{index + 1}/{total or '?'}] trial {trial.number} {trial.state}{said}{took}"
    why = _why(study, trial)
    return f"{what}{': ' * bool(why)}{why}" if trial.state is not State.FAILED else _cut(f"{what}: {why}")


def _why(study: Study, trial: Trial) -> str:
    """What it died of, why it was stopped, or which constraints it exceeds."""
    if trial.state is State.COMPLETED:
        return ", ".join(study.goals.exceeded(trial.excess))
    first = trial.error.partition("\n")[0].strip()
    return ": ".join(dict.fromkeys(filter(None, [first, trial.last_words]))) or trial.reason


def _cut(line: str) -> str:
    return line if len(line) <= WIDE else f"{line[: WIDE - 3]}..."


def best_line(study: Study) -> str:
    """The best trial so far and its parameters, or that there is none."""
    params = {} if study.best is None else study.best.params
    said = "  ".join(f"{n}={v:.4g}" if isinstance(v, float) else f"{n}={v}" for n, v in params.items())
    return f"{_best(study)}{':  ' * bool(said)}{said}"


def _best(study: Study) -> str:
    """The same without them."""
    best = study.best
    if best is None:
        return "no trial keeps to all constraints yet" if study.tally[State.COMPLETED] else "no result yet"
    among = f" of {len(study.pareto)} in the Pareto set" if study.goals.several else ""
    return f"best {study.goals.said(best.objectives, ' ')}, trial {best.number}{among}"


def busy_line(figures: Figures) -> str:
    """How many workers there are, how busy, and how many trials they get done."""
    name, seconds = next((unit for unit in UNITS if figures.rate * unit[1] >= 1), UNITS[-1])
    done = f", {figures.rate * seconds:.3g} trials/{name}" if figures.rate else ""
    return f"{figures.running} of {counted(figures.workers, 'worker')} busy, {figures.busy:.0%} of the time{done}"


def optimizer_line(rule: str, state: str, ahead: int) -> str:
    """What the optimizer does, as far as that is known, and how many points wait for a worker."""
    said = [state] if state else []
    said += [f"{counted(ahead, 'point')} ahead"] if ahead else []
    return f"optimizer {rule}{': ' * bool(said)}{', '.join(said)}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
