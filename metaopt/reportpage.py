"""The report of a study: all that is worth keeping of it, as one page; ``metaopt.report`` is what scripts call."""

import platform
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version

import yaml

from metaopt import __version__
from metaopt.extent import Extent
from metaopt.figures.account import Account, failures, infeasible
from metaopt.plots.draw import attempted
from metaopt.scalars import write, write_duration
from metaopt.trial import State
from metaopt.usage import in_words
from metaopt.webpage import Section, facts, figures, folded, note, page, table, verbatim

BEST, GROUPS, NAMED, RUNS = 10, 20, 12, 20
"""So many of the best trials, kinds of failures, trials of each, and runs are listed."""
USED = ("numpy", "scipy", "matplotlib")


def report(account: Account, command: str) -> bytes:
    """The page; ``command`` runs the best trial again, and is empty where there is none."""
    made, missing = attempted(account)
    about = [*_failures(account), _experiment(account), _versions(account)]
    name = str(account.history.experiment.get("name", "study"))
    return page(name, _summary(account, missing), [*_best(account, command), *figures(made), *about])


def _summary(account: Account, missing: Mapping[str, list[str]]) -> str:
    history, goals = account.history, account.history.goals
    searched = ", ".join(f"{each.goal} {each.metric}" for each in goals.objectives)
    kept = "".join(f", {each}" for each in goals.constraints)
    states = [f"{sum(t.state is state for t in account.counted)} {state}" for state in State]
    outside = len(history.trials) - len(account.counted)
    parts = [each for each in states if not each.startswith("0 ")] + [f"{outside} outside the space"] * bool(outside)
    none = infeasible(goals, account.counted) or "no result yet"
    best = none if history.best is None else goals.said(history.best.objectives)
    done = f"{len(account.ended)} of {history.experiment.get('trials', '?')} done"
    named = [("trials", done), ("by state", ", ".join(parts) or "none"), ("best", best), *_spent(account)]
    if exhausted := Extent.of(history.experiment, history).exhausted:
        named.append(("points", exhausted))
    if used := in_words(account.ended, history.experiment.get("gpus")):
        named.append(("devices", used))
    written = f"{searched}{kept}. History {account.location}; this was written at {_clock(time.time())}."
    lacks = [note(f"No {', '.join(kinds)}: {why}.") for why, kinds in missing.items()]
    return note(written) + facts(named) + "".join(lacks)


def _spent(account: Account) -> Iterator[tuple[str, str]]:
    """Of workers, and time."""
    from metaopt.figures.utilisation import utilisation  # noqa: PLC0415 - where there are some

    runs = account.timeline.runs.values()
    if not account.there:
        return
    hosts = set().union(*(run.hosts for run in runs))
    spans = account.timeline.spans(account.history.trials)
    yield "workers", f"{max(len(run.workers) for run in runs)} on {len(hosts)} host{'s' * (len(hosts) > 1)}"
    yield "their time", f"{utilisation(spans, account.there).share:.1%} busy"
    yield "runs", f"{len(runs)}, {write_duration(sum(run.heard - run.opened for run in runs))} in all"
    yield "all trials together", write_duration(sum(span.end - span.begin for span in spans))


def _best(account: Account, command: str) -> Iterator[Section]:
    if not any(trial.objectives for trial in account.ended):
        return
    history = account.history
    several = history.goals.several
    trials = account.ranked[: max(BEST, len(history.pareto)) if several else BEST][: 3 * BEST]
    front = {trial.number for trial in history.pareto} if several else set()
    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    names = ["trial", *(each.metric for each in history.objectives), *params, "took", "worker", ""]
    rows = [
        [
            str(trial.number),
            *(f"{value:.6g}" for value in trial.objectives),
            *(_value(trial.params.get(name, "")) for name in params),
            write_duration(trial.duration or 0.0),
            str(trial.worker),
            "; ".join(history.goals.exceeded(trial.excess)) or "Pareto set" * (trial.number in front),
        ]
        for trial in trials
    ]
    said = history.goals.spread(each.objectives for each in history.runs(history.best)) if history.best else ""
    runs = note(f"The point of the best one has had {said}.") if said else ""
    again = f"<p>To run the best one again:</p>{verbatim(command)}" if command else ""
    yield Section("Best trials", table(names, rows) + runs + again)


def _failures(account: Account) -> Iterator[Section]:
    groups = failures(account.counted)
    if not groups:
        return
    parts = []
    for line, trials in list(groups.items())[:GROUPS]:
        named = ", ".join(str(trial.number) for trial in trials[:NAMED]) + ", ..." * (len(trials) > NAMED)
        last = trials[-1]
        about = note(f"Trials {named}; the end of what trial {last.number} said:")
        parts.append(folded(f"{len(trials)}: {line}", about + verbatim(last.error)))
    more = note(f"And {len(groups) - GROUPS} more kinds.") if len(groups) > GROUPS else ""
    count = sum(map(len, groups.values()))
    yield Section("Failures", note(f"{count} failed, by the last line that each has left.") + "".join(parts) + more)


def _experiment(account: Account) -> Section:
    text = yaml.safe_dump(dict(account.history.experiment), sort_keys=False, allow_unicode=True, width=100)
    return Section("Experiment", note("As the last run on it had it.") + verbatim(text))


def _versions(account: Account) -> Section:
    runs = list(account.timeline.runs.items())
    rows = [
        (
            *(str(number), _clock(run.opened), _clock(run.heard), run.metaopt, str(len(run.workers))),
            ", ".join(sorted(run.hosts)[:4]) + ", ..." * (len(run.hosts) > 4),  # noqa: PLR2004 - a line
        )
        for number, run in runs[-RUNS:]
    ]
    ours = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in USED)])
    last = f" The last {RUNS} of {len(runs)} runs." if len(runs) > RUNS else ""
    names = ("run", "from", "to", "metaopt", "workers", "hosts")
    return Section("Runs and versions", table(names, rows) + note(f"This page: metaopt {__version__}, {ours}.{last}"))


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else write(value) if value != "" else ""  # type: ignore[arg-type]


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))
