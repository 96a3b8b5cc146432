"""How good is the best of 25, 50, 100 and 200 points, one at a time, against that of random search and of peers?

    python benchmarks/regret.py --seeds 5
    python benchmarks/regret.py --optimizers "gp,gp{start=20}" --problems tuned --keep runs.jsonl
    python benchmarks/regret.py --optimizers gp,random,optuna:gp,optuna:tpe,smac,skopt,nevergrad,hyperopt,optuna:cmaes \
        --python /path/to/environment/bin/python --keep runs.jsonl

The regret is the true loss of the point that looks best, minus the smallest loss there is, and no less than 1e-4 of
what random search has after 25 points.  It is relative to random search (20 seeds) after as many points; means are
geometric.  Interrupted, it goes on from the runs that are kept.
"""

from contest import hold, options
from measure import answer
from scores import Scores, in_words, show

TIMES = (25, 50, 100, 200)


def main() -> None:
    """Run it."""
    parser = options(__doc__, "gp,random", "all")
    parser.add_argument("--trials", type=int, default=100, help="at least 25")
    given = parser.parse_args()
    times = [time for time in TIMES if time <= given.trials] or parser.error("25 trials are the least")
    scores = Scores(*hold(given, given.trials), times)
    report = scores.report()
    show(report, times, "trials")
    words = in_words(report)
    table = next(iter(report["relative_regret"]["all"].values()))
    last = list(table)[-1]
    counts, first = "/".join(map(str, times)), next(iter(words))
    where = f"on {table[last]['problems']} problems after {counts} points, one at a time"
    answer(
        f"how much of random search's regret is left {where}?",
        figure=f"{first} {words.pop(first)}",
        beside="; ".join(f"{name} {each}" for name, each in words.items()) or "random search, 20 seeds",
        aim="below each peer at each count",
        ratio=table[last]["mean"],
        ratio_of=f"regret of {first} over random search, {last} points",
        seeds=given.seeds,
        **report,
    )


if __name__ == "__main__":
    main()
