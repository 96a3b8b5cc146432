"""What README says is so."""

import os
import re
from configparser import ConfigParser

import pytest
import reference
import yaml
from documents import (
    PAGES,
    ROOT,
    blocks,
    stage,
    studied,
    understand_inline,
    understand_python,
    understand_yaml,
)
from running import Site

from metaopt.cli import VERBS
from metaopt.errors import ExperimentError
from metaopt.experiment import Experiment
from metaopt.keys import KEYS, REQUIRED
from metaopt.plugins import OPTIMIZERS, STOPPERS
from metaopt.space import Space
from metaopt.trial import NEXT, State

README = (ROOT / "README.md").read_text()


def rows(heading):
    """The rows of the first table under a heading, cells stripped of backticks."""
    table = README.split(f"## {heading}\n", 1)[1].split("\n|", 1)[1].split("\n\n", 1)[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("part", ["keys", "resources"])
def test_its_tables_of_keys_are_those_of_the_code(part):
    table = reference.PARTS[part]()
    assert table in README, f"README.md lacks this table, as docs/reference.py makes it:\n\n{table}"


def test_every_form_of_a_parameter_is_understood():
    for short, mapping, _ in rows("Spaces"):
        for text in re.findall(r"`([^`]+)`", short):
            Space.parse({"x": yaml.safe_load(text), "y": "uniform(0, 1)"})
        for text in re.findall(r"`([^`]+)`", mapping):
            Space.parse({"x": yaml.safe_load(text), "y": "uniform(0, 1)"})


def test_the_example_in_it_is_the_example():
    block, *_ = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
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


def test_the_extras_that_it_names_are_there_and_what_figures_need_is_one_of_them():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = set(re.findall(r"'\.\[(\w+)\]'", README))
    assert {"openmpi", "plot"} <= named <= {*setup["options.extras_require"]}


def test_every_verb_is_named():
    for verb in VERBS:
        assert f"metaopt {verb}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_in_the_lines_of_a_page_are_there(page):
    understand_inline(page)


SHOWN = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("block", [block for block in SHOWN if block.language == "yaml"], ids=str)
def test_every_experiment_that_is_shown_is_understood(here, monkeypatch, block):
    stage(here, block.page)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("PATH", f"{here}/bin{os.pathsep}{os.environ['PATH']}")
    understand_yaml(block.text)


CODE = [block for block in SHOWN if block.language == "python" and "run" not in block.how]


@pytest.mark.parametrize("block", CODE, ids=str)
def test_every_code_that_is_shown_runs(here, block):
    stage(here, block.page)
    studied("digits.history")
    understand_python(block)


def test_no_block_is_of_a_kind_that_nobody_tries():
    assert {block.language for block in SHOWN} <= {"sh", "yaml", "python", "text"}
