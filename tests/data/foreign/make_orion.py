"""Makes orion.pkl beside it: python make_orion.py, where orion is installed.  See made.txt."""

import sys
from pathlib import Path

import orion.core
from orion.client import build_experiment

DUMP = Path(__file__).parent / "orion.pkl"
SPACE = {
    "lr": "loguniform(1e-5, 1.0, precision=3, default_value=0.01)",
    "dropout": "uniform(0, 0.5)",
    "layers": "uniform(1, 5, discrete=True)",
    "units": "loguniform(16, 256, discrete=True)",
    "noise": "normal(0, 1)",
    "kind": "choices({'relu': 0.7, 'tanh': 0.3})",
    "model.size": "choices([32, 64, None])",
    "weights": "uniform(0, 1, shape=2)",
    "epochs": "fidelity(1, 9, base=3)",
}


def storage():
    return {"type": "legacy", "database": {"type": "pickleddb", "host": str(DUMP)}}


def loss(params):
    return params["lr"] + params["dropout"] + params["layers"] + params["weights"][0]


def main():
    DUMP.unlink(missing_ok=True)
    client = build_experiment(
        "digits", space=SPACE, max_trials=20, storage=storage(), algorithm={"random": {"seed": 1}}
    )
    for number in range(8):
        trial = client.suggest()
        value = loss(trial.params)
        if number == 3:
            client.release(trial, "broken")
        elif number == 5:
            client.release(trial, "interrupted")
        else:
            statistic = {"name": "accuracy", "type": "statistic", "value": 1 / value}
            client.observe(trial, [{"name": "val_loss", "type": "objective", "value": value}, statistic])
    waiting = {"lr": 0.1, "dropout": 0.1, "layers": 1, "units": 16, "noise": 0.0, "kind": "tanh", "model.size": 32}
    client.insert({**waiting, "weights": [0.5, 0.5], "epochs": 9})
    client.close()
    other = {"storage": storage(), "max_trials": 5, "algorithm": {"random": {"seed": 1}}}
    for space in ({"x": "uniform(0, 1)"}, {"x": "uniform(0, 1)", "y": "uniform(0, 1, default_value=0.5)"}):
        client = build_experiment("grown", space=space, branching={"enable": True}, **other)
        trial = client.suggest()
        client.observe(trial, [{"name": "objective", "type": "objective", "value": trial.params["x"]}])
        client.close()
    Path(f"{DUMP}.lock").unlink(missing_ok=True)
    print("orion", orion.core.__version__, "python", sys.version.split()[0])  # noqa: T201 - for made.txt


if __name__ == "__main__":
    main()
