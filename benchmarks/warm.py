"""What is a warm start worth after 4, 8, 12, 20 and 40 trials, from a study of the same task, a related one, or others?

    python benchmarks/warm.py
    python benchmarks/warm.py --problems rosenbrock4,boosting,recipes --sources related,elsewhere --keep runs.jsonl

The other study is one of 30 trials by gp, another one for each seed.  A ratio is gp's regret with it over that without,
from equal seeds; a regret is the true loss of the best point, minus the smallest loss there is, and no less than 1e-4
of what random search has.  Means are geometric, over seeds, then over problems; their error is that over problems.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from contest import BASELINE, Contest, Incumbent, Result, Run, named, search
from measure import answer, progress
from problems import PROBLEMS, Loss, Params
from scores import Scores, lay_out, summary, written

from metaopt.optimizers import make
from metaopt.optimizers.advised import Advised
from metaopt.space import Parameter, Space

TIMES = (4, 8, 12, 20, 40)
LATER = 12
"""When the trials that a misleading study has cost should be made up for."""
COLD, LESSONS, SEED = "cold", 30, 100
"""What is run without a warm start; the trials of another study; and what is added to its seed."""


class Other(NamedTuple):
    """Another study: its loss is this one's where each coordinate is ``moved``, and then ``scaled``."""

    moved: Callable[[Parameter, float], float] = lambda _, share: share
    scaled: Callable[[float], float] = lambda loss: loss

    def loss(self, space: Space, loss: Loss) -> Loss:
        """Of a point of the other study."""

        def there(params: Params) -> float:
            shares = zip(space.searched, space.to_unit(params), strict=True)
            return self.scaled(loss(space.from_unit([self.moved(*each) for each in shares])))

        return there


def shifted(parameter: Parameter, share: float) -> float:
    """The optimum is a tenth of each range lower."""
    return share if parameter.kind == "category" else min(share + 0.1, 1.0)


OTHERS: Mapping[str, Other] = {
    "same": Other(),
    "scaled": Other(scaled=lambda loss: 1000 * loss + 5),
    "related": Other(shifted),
    "elsewhere": Other(lambda _, share: 1 - share),
    "upside down": Other(scaled=lambda loss: -loss),
}


@cache
def lessons(source: str, problem: str, seed: int) -> list[tuple[Params, float]]:
    """What the other study has found out."""
    space = Space.parse(PROBLEMS[problem]().space)
    loss = OTHERS[source].loss(space, PROBLEMS[problem]().loss)
    optimizer, found = make("gp", space, SEED + seed), []
    for _ in range(LESSONS):
        (params,) = optimizer.ask(1, [])
        found.append((params, loss(params)))
        optimizer.tell(*found[-1])
    return found


def warmed(run: Run) -> Result:
    """One search by gp, ``run.optimizer`` being what it is told of; or one at random."""
    if run.optimizer == "random":
        return search(run, "")
    problem = PROBLEMS[run.problem]()
    space, incumbent, regret = Space.parse(problem.space), Incumbent(problem), []
    optimizer = Advised(partial(make, "gp", space, run.seed), space)
    for params, value in () if run.optimizer == COLD else lessons(run.optimizer, run.problem, run.seed):
        optimizer.learn(-1, params, value)
    for trial in range(run.until):
        (params,) = optimizer.ask(1, [])
        loss = problem.loss(params)
        told = problem.told(loss, run.seed, trial)
        optimizer.tell(params, told)
        incumbent.see(params, loss, told)
        regret.append(incumbent.regret)
    return Result(run, regret, best=incumbent.params)


def said(result: Result) -> str:
    """A result, on a line."""
    run = result.run
    return f"{run.optimizer}, {run.problem}, seed {run.seed}: {result.regret[-1]:.3g}"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", default="levy4,hartmann6,training", help="as regret.py has them")
    parser.add_argument("--sources", default=",".join(OTHERS), help="what the other study was of")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where runs are kept, a line each; what is there is not run again")
    given = parser.parse_args()
    problems, sources, until = named(given.problems), given.sources.split(","), max(TIMES)
    baseline = [Run("random", problem, seed, until) for problem in problems for seed in range(BASELINE)]
    names = [(problem, seed, name) for seed in range(given.seeds) for problem in problems for name in [COLD, *sources]]
    runs = [Run(name, problem, seed, until) for problem, seed, name in names]
    contest = Contest(given.keep, given.jobs, warmed, Result.parse, said)
    contest.hold([*baseline, *runs])
    scores = Scores(contest.of(baseline), contest.of(runs), TIMES)
    found = {name: [summary(scores.paired(name, COLD, time, problems)) for time in TIMES] for name in sources}
    progress("\nregret over that without: mean (x standard error) [quartiles] runs, after so many trials")
    lay_out([["", *map(str, TIMES)], *([name, *map(written, each)] for name, each in found.items())])
    for name in sources:
        each = {
            problem: [summary(scores.paired(name, COLD, time, [problem]))["mean"] for time in TIMES]
            for problem in problems
        }
        progress(f"  {name}: {', '.join(f'{problem} ' + '/'.join(map(str, means)) for problem, means in each.items())}")
    words = [f"{name} {'/'.join(format(each['mean'], '.2g') for each in row)}" for name, row in found.items()]
    every = {(name, time): row["mean"] for name in sources for time, row in zip(TIMES, found[name], strict=True)}
    worst = max((key for key in every if key[1] >= LATER), key=every.__getitem__)
    answer(
        f"what share of gp's regret is left by a warm start after {'/'.join(map(str, TIMES))} trials?",
        figure="; ".join(words),
        beside="gp without it: 1",
        aim=f"below 1 for the same task and a related one, and nothing above 1.1 from {LATER} trials on",
        ratio=every[worst],
        ratio_of=f"regret with over without, at worst from {LATER} trials on: {worst[0]}, {worst[1]}",
        seeds=given.seeds,
        sources={name: dict(zip(map(str, TIMES), row, strict=True)) for name, row in found.items()},
    )


if __name__ == "__main__":
    main()
