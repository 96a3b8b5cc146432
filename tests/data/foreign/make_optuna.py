"""Makes optuna.db and optuna.log beside it: python make_optuna.py, where optuna is installed.  See made.txt.

Another name, as in python make_optuna.py optuna3, is that of the files.
"""

import datetime as dt
import sqlite3
import sys
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

HERE = Path(__file__).parent
optuna.logging.set_verbosity(optuna.logging.WARNING)


def train(trial):
    lr = trial.suggest_float("lr", 1e-5, 1.0, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.5, step=0.1)
    layers = trial.suggest_int("layers", 1, 5)
    units = trial.suggest_int("units", 16, 256, log=True)
    batch = trial.suggest_int("batch", 32, 128, step=32)
    kind = trial.suggest_categorical("model.kind", ["relu", "tanh", None, True, 3])
    momentum = trial.suggest_float("momentum", 0.0, 1.0) if kind == "relu" else 0.5
    if trial.number == 4:
        raise ValueError("out of memory")
    for epoch in range(3):
        trial.report(lr + dropout + layers + 1 / (epoch + 1), epoch)
        if trial.number in {6, 9}:
            raise optuna.TrialPruned
    return lr + dropout + layers + units / 1e3 + batch / 1e3 + momentum


def several(trial):
    x = trial.suggest_float("x", -1, 1)
    trial.set_user_attr("constraint", (x - 0.5,))
    return x, -x


def constraints(trial):
    return trial.user_attrs["constraint"]


def fill(storage):
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(storage=storage, study_name="one objective", sampler=sampler)
    study.optimize(train, n_trials=12, catch=ValueError)
    study.enqueue_trial({"lr": 0.1})
    study.ask()
    distributions = {"lr": FloatDistribution(1e-6, 1.0, log=True), "layers": IntDistribution(1, 5)}
    start = dt.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as optuna keeps them
    by_hand = {
        "params": {"lr": 2e-6, "layers": 2, "once": "only"},
        "distributions": {**distributions, "once": CategoricalDistribution(["only"])},
    }
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=float("inf"), **by_hand))
    late = create_trial(
        state=TrialState.COMPLETE, value=0.25, intermediate_values={5: float("nan"), 7: 0.25}, **by_hand
    )
    late.datetime_start, late.datetime_complete = start, start + dt.timedelta(seconds=90)
    study.add_trial(late)
    sampler = optuna.samplers.NSGAIISampler(seed=1, constraints_func=constraints, population_size=4)
    study = optuna.create_study(storage=storage, study_name="two", sampler=sampler, directions=["minimize", "maximize"])
    study.set_metric_names(["val_loss", "accuracy"])
    study.optimize(several, n_trials=6)
    optuna.create_study(storage=storage, study_name="empty")


def main(name):
    for suffix in ("db", "log"):
        (HERE / f"{name}.{suffix}").unlink(missing_ok=True)
    fill(f"sqlite:///{HERE}/{name}.db")
    with sqlite3.connect(HERE / f"{name}.db", isolation_level=None) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("VACUUM")  # or it would be three times as large
    path = str(HERE / f"{name}.log")
    if hasattr(optuna.storages, "JournalFileStorage"):  # before Optuna 4
        backend = optuna.storages.JournalFileStorage(path)
    else:
        backend = optuna.storages.journal.JournalFileBackend(path)
    fill(optuna.storages.JournalStorage(backend))
    print("optuna", optuna.__version__, "python", sys.version.split()[0])  # noqa: T201 - for made.txt


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["optuna"]))
