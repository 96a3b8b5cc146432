"""How good is the best point of 8 and of 32 asynchronous workers, after the time of 3, 6 and 12 trials of each?

    python benchmarks/parallel.py --seeds 5
    python benchmarks/parallel.py --optimizers gp,random,optuna:gp,optuna:tpe --python /path/to/environment/bin/python \
        --keep runs.jsonl

Workers are simulated: a trial takes about one unit of time, log-normally distributed, and the worker that comes free
is given one point, while the others are under way.  All else is as in regret.py, with random search on as many
workers; Optuna's TPE has its constant liar.
"""

from typing import Any

from contest import hold, options
from measure import answer, progress
from scores import Scores, in_words, show

TIMES = (3, 6, 12)
PROBLEMS = "hartmann6,ackley5,training,noisy hartmann3,levy4,few active of 20,boosting,recipes"
"""Some of each sort, none of which takes long."""


def main() -> None:
    """Run it."""
    parser = options(__doc__, "gp,random", PROBLEMS)
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 32])
    given = parser.parse_args()
    reports: dict[int, dict[str, Any]] = {}
    for workers in given.workers:
        progress(f"\n{workers} workers")
        scores = Scores(*hold(given, max(TIMES), workers), TIMES)
        reports[workers] = scores.report()
        show(reports[workers], TIMES, "trials of each worker")
    words = {workers: in_words(report) for workers, report in reports.items()}
    first, most = next(iter(words[given.workers[0]])), given.workers[-1]
    names = [name for name in words[most] if name != first]
    counts, times = "/".join(map(str, given.workers)), "/".join(map(str, TIMES))
    answer(
        f"how much of random search's regret is left by {counts} workers after {times} trials of each?",
        figure=f"{first} {', '.join(words[workers][first] for workers in given.workers)}",
        beside="; ".join(f"{name} {', '.join(words[workers][name] for workers in given.workers)}" for name in names),
        aim="below each peer, and nothing above 1",
        ratio=reports[most]["relative_regret"]["all"][first][str(TIMES[-1])]["mean"],
        ratio_of=f"regret of {first} over random search, {most} workers, {TIMES[-1]} trials of each",
        seeds=given.seeds,
        workers=reports,
    )


if __name__ == "__main__":
    main()
