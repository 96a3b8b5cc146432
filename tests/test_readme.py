"""What README says is so."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from running import Site

from metaopt.cli import VERBS, db
from metaopt.errors import ExperimentError
from metaopt.experiment import Experiment
from metaopt.keys import KEYS, REQUIRED
from metaopt.plugins import OPTIMIZERS, STOPPERS
from metaopt.space import Space
from metaopt.trial import NEXT, State

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def rows(heading):
    """The rows of the first table under a heading, cells stripped of backticks."""
    table = README.split(f"## {heading}\n", 1)[1].split("\n|", 1)[1].split("\n\n", 1)[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_key_of_the_experiment_file_is_in_its_table_with_its_default():
    table = {row[0].strip("`"): row[1].strip("`") for row in rows("The experiment file")}
    top = {name: key.default for name, key in KEYS.items() if "." not in name}
    assert set(table) == set(top)
    for name, default in top.items():
        if name not in {"resources", "history"}:
            assert table[name] == default, name
    assert "cores_per_trial: 1" in table["resources"]
    for name in KEYS:
        assert name.rpartition(".")[2] in README


def test_every_form_of_a_parameter_is_understood():
    for short, mapping, _ in rows("Spaces"):
        for text in re.findall(r"`([^`]+)`", short):
            Space.parse({"x": yaml.safe_load(text), "y": "uniform(0, 1)"})
        for text in re.findall(r"`([^`]+)`", mapping):
            Space.parse({"x": yaml.safe_load(text), "y": "uniform(0, 1)"})


def test_the_example_in_it_is_the_example():
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    example = yaml.safe_load((ROOT / "examples" / "digits" / "exp.yaml").read_text())
    shown = yaml.safe_load(block)
    assert {key: example[key] for key in shown} == shown


def test_the_example_is_understood(monkeypatch, tmp_path):
    (tmp_path / "python").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    experiment = Experiment.load(ROOT / "examples" / "digits" / "exp.yaml")
    assert experiment.trials >= 24


@pytest.mark.parametrize("rule", [*OPTIMIZERS, *STOPPERS])
def test_every_rule_is_named(rule):
    assert f"`{rule}`" in README


@pytest.mark.parametrize("state", State)
def test_the_diagram_knows_every_state(state):
    diagram = README.split("A trial's states")[1]
    assert state.name in diagram
    assert state in NEXT


def test_the_two_commands_are_there():
    for command in ("./dev demo", "./dev test"):
        assert command in README
        assert f"{command.split()[1]})" in (ROOT / "dev").read_text()
    assert "./dev $@" in (ROOT / "Makefile").read_text()
    assert "./dev test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("key", [name for name, key in KEYS.items() if key.default == REQUIRED and "." not in name])
def test_a_required_key_is_required(tmp_path, key):
    site = Site(tmp_path)
    experiment = yaml.safe_load((tmp_path / "exp.yaml").read_text())
    del experiment[key]
    site.write("exp.yaml", yaml.safe_dump(experiment))
    with pytest.raises(ExperimentError, match=f"{key}: it is missing"):
        Experiment.load(tmp_path / "exp.yaml")


def test_every_verb_is_named_and_every_command_line_in_it_is_understood():
    for verb in VERBS:
        assert f"metaopt {verb}" in README
    lines = re.findall(r"^    metaopt ((?:list|db) .*?)(?: *[#|].*)?$", README, re.MULTILINE)
    assert len(lines) >= 5
    shown = re.findall(r"^    metaopt ((?:status|best|show|watch|stop) ?.*?)(?: *[#|].*)?$", README, re.MULTILINE)
    assert len(shown) >= 5
    for line in shown:
        verb, *words = line.split()
        import_module(f"metaopt.cli.{verb}").parser().parse_args(words)
    for line in lines:
        verb, *words = line.split()
        if verb == "db":
            assert db._parser().parse_args(words).verb in {"copy", "check", "export"}
