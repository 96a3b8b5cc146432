"""How a run stands, drawn for a terminal of any size: by the run itself, and by who watches it."""

from collections.abc import Iterator
from dataclasses import dataclass

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
SPARK = 40
UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0))


@dataclass(frozen=True, slots=True)
class Figures:
    """How a run stands.  ``busy`` is the share of the workers' time in which a script ran; ``left`` is seconds.

    ``rate`` is how many trials end in a second.
    """

    done: int
    running: int
    waiting: int
    failed: int
    stopped: int
    paused: int
    total: int
    workers: int
    busy: float
    rate: float
    left: float | None

    @classmethod
    def of(cls, study: Study, total: int, now: float) -> "Figures":
        """The figures of the present run at ``now``."""
        running = [study.trials[w.trial] for w in study.workers.values() if w.trial is not None]
        spent = study.spent + sum(now - (trial.started or now) for trial in running)
        offered = study.crews[study.run].served + sum(now - worker.joined for worker in study.workers.values())
        begun = study.crews[study.run].begun
        done, left = len(study.ended), None
        if study.tries and study.workers:
            to_do = max(total - done - study.tally[State.PAUSED] - len(running) / 2, 0.0)
            left = study.spent / study.tries * to_do / len(study.workers)
        return cls(
            done=done,
            running=len(running),
            waiting=study.tally[State.WAITING],
            failed=study.tally[State.FAILED],
            stopped=study.tally[State.STOPPED],
            paused=study.tally[State.PAUSED],
            total=total,
            workers=len(study.workers),
            busy=min(spent / offered, 1.0) if offered > 0 else 0.0,
            rate=study.tries / (now - begun) if begun is not None and now > begun else 0.0,
            left=left,
        )

    def __str__(self) -> str:
        """One line, the same in a terminal and in a log."""
        parts = [f"{self.done}/{self.total or '?'} trials done", f"{self.running} running"]
        parts += [f"{self.waiting} waiting"] if self.waiting else []
        parts += [f"{self.paused} paused"] if self.paused else []
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.stopped} stopped early"] if self.stopped else []
        return ", ".join(parts)


def picture(study: Study, total: int, now: float, console: Console, *notes: Text) -> RenderableType:
    """All of it; ``notes`` are what else there is to say of the run, a line each."""
    figures = Figures.of(study, total, now)
    room = max(console.size.height - FIXED - len(notes), 2)
    workers = [_line(each, console) for each in _at_work(study, now, min(WORKERS, room - room // 3))]
    ended = range(max(figures.done - min(RECENT, room - len(workers)), 0), figures.done)
    crew = study.crews[study.run]
    since = "" if crew.begun is None else f"  {clock(now - crew.begun)}"
    return Group(
        Text.assemble((str(study.experiment.get("name", "")), "bold"), f"  {figures}{since}"),
        _bar(figures, crew.deadline, now),
        Text(best_line(study), style="green"),
        *_curve(study, console),
        Text(busy_line(figures)),
        *notes,
        *workers,
        *(_line(one_line(study, index, total), console, "dim") for index in reversed(ended)),
    )


def _line(text: str, console: Console, style: str = "") -> Text:
    """One line, whatever the width."""
    return Text(text, style, no_wrap=True, overflow="crop" if console.options.ascii_only else "ellipsis")


def _bar(figures: Figures, deadline: float | None, now: float) -> RenderableType:
    """How much is done, how long the rest may take, and how long the allocation lasts."""
    left = [] if figures.left is None else [f"about {clock(figures.left)} left"]
    left += [] if deadline is None else [f"allocation {clock(max(deadline - now, 0.0))}"]
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(ratio=1)
    bar.add_column(justify="right")
    bar.add_row(ProgressBar(total=max(figures.total, 1), completed=figures.done), ", ".join(left))
    return bar


def _curve(study: Study, console: Console) -> Iterator[Text]:
    """That of the best trial, if it has more than a point."""
    best, metric = study.best, study.objective.metric
    values = [] if best is None else [value for _, value in best.curve(metric)]
    if len(values) > 1:
        said = f"{values[0]:.4g} to {values[-1]:.4g}"
        width = min(max(console.size.width - len(said) - 2, 8), SPARK)
        bars = sparkline(values, width, ascii_only=console.options.ascii_only)
        yield _line(f"{bars}  {said}", console, "green")


def _at_work(study: Study, now: float, count: int) -> Iterator[str]:
    """What the first workers do, and how many more there are."""
    workers = sorted(study.workers.items())
    shown = workers if len(workers) <= count else workers[: count - 1]
    for number, worker in shown:
        doing = "idle" if worker.trial is None else _doing(study.trials[worker.trial], now)
        yield f"{number:>4}  {doing}  {worker.host} {worker.device}"
    if len(workers) > len(shown):
        yield f"      and {len(workers) - len(shown)} workers more"


def _doing(trial: Trial, now: float) -> str:
    """The trial that a worker runs, since when, and what its script said last."""
    since = "starts" if trial.started is None else clock(now - trial.started)
    said = [f"{name}={value:.4g}" for _, values in trial.points[-1:] for name, value in values.items()]
    return "  ".join([f"trial {trial.number} {since}", *said, *(f"at {step:g}" for step, _ in trial.points[-1:])])


def one_line(study: Study, index: int, total: int) -> str:
    """What became of the trial that ended as the ``index``-th (0, 1, ...)."""
    trial = study.trials[study.ended[index]]
    took = "" if trial.duration is None else f" in {trial.duration:.1f} s"
    said = f" {study.goals.said(trial.objectives, '=', ' ')}" if trial.objectives else ""
    exceeded = ", ".join(study.goals.exceeded(trial.excess)) if trial.excess else ""
    why = trial.error.splitlines()[0] if trial.error else trial.why or exceeded
    return f"[{index + 1}/{total or '?'}] trial {trial.number} {trial.state}{said}{took}{': ' if why else ''}{why}"


def best_line(study: Study) -> str:
    """The best trial so far, or that there is none."""
    best = study.best
    if best is None:
        return "no trial keeps to all constraints yet" if study.tally[State.COMPLETED] else "no result yet"
    params = "  ".join(f"{n}={v:.4g}" if isinstance(v, float) else f"{n}={v}" for n, v in best.params.items())
    among = f" of {len(study.pareto)} in the Pareto set" if study.goals.several else ""
    return f"best {study.goals.said(best.objectives, ' ')}, trial {best.number}{among}:  {params}"


def busy_line(figures: Figures) -> str:
    """How many workers there are, how busy, and how many trials they get done."""
    name, seconds = next((unit for unit in UNITS if figures.rate * unit[1] >= 1), UNITS[-1])
    done = f", {figures.rate * seconds:.3g} trials/{name}" if figures.rate else ""
    return f"{figures.running} of {counted(figures.workers, 'worker')} busy, {figures.busy:.0%} of the time{done}"


def optimizer_line(rule: str, state: str, waiting: int) -> str:
    """What the optimizer does, as far as that is known, and how many of its points wait for a worker."""
    said = [state] if state else []
    said += [f"{waiting} point{'s' * (waiting > 1)} ahead"] if waiting else []
    return f"optimizer {rule}{': ' * bool(said)}{', '.join(said)}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
