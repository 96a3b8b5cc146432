"""The architecture, as a test: a file imports only from layers below its own, and from its family's base."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "metaopt"
LAYERS = [
    ["errors", "sparkline", "welcome", "verdicts", "aside", ""],
    ["messages"],
    [
        "wire",
        "scalars",
        "objective",
        "front",
        "shortage",
        "limits",
        "faults",
        "crew",
        "guard",
        "strays",
        "fence",
        "keys",
        "arbiter",
        "unread",
    ],
    [
        "trial",
        "goals",
        "parameters",
        "orion",
        "reporting",
        "tail",
        "results",
        "templates",
        "options",
        "yamlfile",
        "stopping",
        "stores",
        "devices",
        "transports.base",
        "transports.pulse",
        "transports.heart",
        "allocations",
    ],
    ["space", "plugins", "skim", "metricsfile"],
    [
        "argv",
        "process",
        "hosts",
        "study",
        "hearing",
        "point",
        "location",
        "goalkeys",
        "optimizers",
        "resources",
        "usage",
        "evidence",
    ],
    [
        "durations",
        "doubts",
        "given",
        "backlog",
        "history",
        "revision",
        "rerun",
        "attempt",
        "commandline",
        "station",
        "endings",
        "pending",
        "judge",
        "placement",
        "groups",
    ],
    [
        "scheduler",
        "checkup",
        "transfer",
        "rows",
        "studies",
        "extent",
        "minimizer",
        "scriptline",
        "foreign",
        "figures",
        "metrickeys",
    ],
    ["transports", "worker", "recorder", "thinker", "plots"],
    ["experiment", "proposer", "sharing", "picture", "webpage"],
    ["driver", "cautions", "editing", "warmstart", "scriptfile", "reportpage", "spool", "conclusion"],
    ["opening"],
    ["master"],
    ["launch", "forecast", "lanes"],
    ["mpirun", "testing", "together"],
    ["progress", "daemon"],
    ["cli"],
    ["__main__"],
]
PURE = [
    "messages",
    "sparkline",
    "scalars",
    "parameters",
    "orion",
    "objective",
    "front",
    "shortage",
    "faults",
    "evidence",
    "endings",
    "pending",
    "hearing",
    "judge",
    "placement",
    "groups",
    "usage",
    "goals",
    "crew",
    "arbiter",
    "unread",
    "trial",
    "study",
    "space",
    "point",
    "revision",
    "scheduler",
    "stopping",
    "transports.simulated",
    "transports.pulse",
    "durations",
    "doubts",
    "given",
    "figures.timeline",
    "figures.values",
    "figures.account",
]
IMPURE = {
    "os",
    "time",
    "random",
    "logging",
    "numpy",
    "socket",
    "subprocess",
    "threading",
    "mpi4py",
    "datetime",
    "pathlib",
}
MODULES = sorted(ROOT.rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


def layer_of(module):
    while True:
        for level, names in enumerate(LAYERS):
            if module in names:
                return level
        assert module, "a file is in no layer: add it to LAYERS and to DESIGN.md"
        module = module.rpartition(".")[0]


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (n for n in names if (ROOT.parent / Path(*n.split(".")).with_suffix(".py")).exists())
            yield node.module


def ours(path):
    """The modules of metaopt that a file imports."""
    found = {
        name.removeprefix("metaopt").removeprefix(".") for name in imports_of(path) if name.split(".")[0] == "metaopt"
    }
    return found - {""} if any(found - {""}) else found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path):
    me = name_of(path)
    family = me.partition(".")[0]
    for other in ours(path):
        if other.partition(".")[0] == family:
            continue
        assert layer_of(other) < layer_of(me), f"{me} must not import {other}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_there_are_no_circles_inside_a_family(path):
    """Following the imports inside its family from a file never leads back to it."""
    me = name_of(path)
    family = me.partition(".")[0]
    seen, todo = set(), [me]
    while todo:
        module = todo.pop()
        file = ROOT / Path(*module.split("."))
        file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
        inside = {other for other in ours(file) if other.startswith(f"{family}.")} if "." in me else set()
        assert me not in inside, f"{me} imports itself by way of {module}"
        todo += inside - seen
        seen |= inside


@pytest.mark.parametrize("path", [p for p in MODULES if name_of(p).startswith(tuple(PURE))], ids=name_of)
def test_pure_files_touch_nothing(path):
    assert not {name.split(".")[0] for name in imports_of(path)} & IMPURE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_and_functions_stay_short(path):
    text = path.read_text()
    assert text.count("\n") <= 330
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 40, node.name


def test_what_design_says_of_the_layers_is_true():
    design = (ROOT.parent / "DESIGN.md").read_text()
    for path in MODULES:
        assert name_of(path).rpartition(".")[2].strip("_") in design, f"DESIGN.md does not know {name_of(path)}"
