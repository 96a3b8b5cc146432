"""Scripts that write their metrics to a file of their own, and know nothing of metaopt."""

import sys

import pytest

TABLE = """
import csv, os, sys, time
with open(os.path.join(sys.argv[2], "metrics.csv"), "w", newline="") as file:
    writer = csv.DictWriter(file, ["epoch", "note", "loss"])
    writer.writeheader()
    for epoch in (1, 2, 3):
        writer.writerow({"epoch": epoch, "note": "a, b", "loss": float(sys.argv[1]) + 1 / epoch})
        file.flush()
        while not os.path.exists("gate"):
            time.sleep(0.02)
"""
LINES = """
import json, os, sys, time
os.makedirs("logs", exist_ok=True)
with open(f"logs/{sys.argv[1]}.jsonl", "w") as file:
    for epoch in (1, 2, 3):
        said = {"iteration": epoch, "loss": float(sys.argv[1]) + 1 / epoch, "lr": None}
        print(json.dumps(said), file=file, flush=True)
        while not os.path.exists("gate"):
            time.sleep(0.02)
"""
STEPPED = {"path": "logs/{x}.jsonl", "step": "iteration"}


@pytest.mark.parametrize(
    ("script", "file"), [(TABLE, "{trial_dir}/metrics.csv"), (LINES, STEPPED)], ids=["csv", "json"]
)
def test_a_file_of_metrics_is_followed_while_it_is_written(site, script, file):
    command = [sys.executable, "script.py", "{x}", "{trial_dir}"]
    site.experiment(script, command=command, metrics={}, metrics_file=file, trials=2)
    run = site.start("run", "-w", "2", "exp.yaml")
    site.wait_for("Reported", 2)
    assert {len(r["body"]["points"]) for r in site.records() if r["kind"] == "Reported"} == {1}
    site.write("gate", "")
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    assert "warning" not in output
    for trial in site.load().trials.values():
        assert trial.curve("loss") == [(n, trial.params["x"] + 1 / n) for n in (1, 2, 3)]


def test_a_file_that_is_never_written_is_told_with_the_first_trial(site):
    site.experiment(metrics_file="{trial_dir}/metrics.csv", trials=2)
    status, output = site.run()
    assert status == 0, output
    assert output.count("has completed, and its metrics_file ") == 1
    assert "metrics.csv was never written" in output
