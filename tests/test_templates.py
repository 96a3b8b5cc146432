"""Configuration files with priors in them: YAML, JSON, TOML, any text; what is wrong with one is told with its line."""

import json
import tomllib

import pytest
import yaml

from metaopt.errors import ExperimentError, LaunchError
from metaopt.experiment import Experiment
from metaopt.scriptline import read
from metaopt.templates import filled, marks

PARAMS = {"lr": 1e-05, "kind": 'a "b"', "deep": True, "none": None}


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (
            yaml.safe_load,
            "lr: metaopt~uniform(0, 1)\nkind: \"orion~choices(['a', 'b'])\"\ndeep: 'metaopt~choice(true, false)'",
        ),
        (
            json.loads,
            '{"lr": "metaopt~uniform(0, 1)",\n "kind":"metaopt~choice(a, b)", "deep": "metaopt~choice(true)"}',
        ),
        (tomllib.loads, 'lr = "metaopt~uniform(0, 1)"\nkind = "metaopt~choice(a)"\ndeep=\'metaopt~choice(true)\''),
    ],
)
def test_a_filled_copy_is_of_the_same_format(load, text):
    assert [(each.name) for each in marks(text)] == ["lr", "kind", "deep"]
    loaded = load(filled(text, PARAMS))
    assert {name: float(v) if name == "lr" else v for name, v in loaded.items()} == {
        name: PARAMS[name] for name in loaded
    }


def test_any_text():
    text = "--lr metaopt~uniform(0, 1) {lr} path=/a/metaopt~kind~choice(x, y)/b {}\n"
    assert filled(text, {"lr": 0.5, "kind": "z"}) == "--lr 0.5 {lr} path=/a/z/b {}\n"


def test_an_argument_that_is_no_template_stays(here):
    (here / "train.py").write_text("# lr: metaopt~uniform(0, 1)")
    (here / "data.bin").write_bytes(b"metaopt~uniform(0, 1)\xff")
    (here / "plain.yaml").write_text("lr: 1")
    line = read(["python3", "train.py", "data.bin", "plain.yaml", "x~uniform(0, 1)"])
    assert line.command == ["python3", "train.py", "data.bin", "plain.yaml", "{x}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: {lr: metaopt~uniform(0, 1)}\nb: {lr: metaopt~uniform(0, 2)}", "c.yaml:2: lr has two priors"),
        ("- 1\n- /metaopt~uniform(0, 1)", "c.yaml:2: nothing names"),
    ],
)
def test_a_template_that_cannot_be_meant(here, text, problem):
    (here / "train.py").write_text("")
    (here / "c.yaml").write_text(text)
    with pytest.raises(LaunchError, match=problem):
        read(["train.py", "c.yaml"])


@pytest.mark.parametrize(
    ("templates", "problem"),
    [
        ("gone.yaml", "cannot be read as text"),
        ("plain.yaml", "has no prior in it"),
        ("other.yaml", "other.yaml:1: there is no parameter y"),
        ("wrong.yaml", r"wrong.yaml:1: x is uniform\(0, 2\), and uniform\(0, 1\) in the space"),
        ("bad.yaml", "bad.yaml:1: x: low is 1 and high is 0"),
        ("[c.yaml, c.yaml]", "has a c.yaml already"),
        ("params.json", "has a params.json already"),
        ("[3]", "is no file"),
    ],
)
def test_templates_of_an_experiment_file_are_checked(here, templates, problem):
    texts = {"plain": "a: 1", "other": "y: metaopt~uniform(0, 1)", "wrong": "x: metaopt~uniform(0, 2)"}
    for name, text in {**texts, "bad": "x: metaopt~uniform(1, 0)", "c": "x: metaopt~uniform(0, 1)"}.items():
        (here / f"{name}.yaml").write_text(text)
    (here / "exp.yaml").write_text(
        f"name: a\ncommand: 'true {{trial_dir}}/c.yaml'\nobjective: loss\ntrials: 1\n"
        f"space: {{x: 'uniform(0, 1)'}}\ntemplates: {templates}"
    )
    with pytest.raises(ExperimentError, match=problem):
        Experiment.load("exp.yaml")
