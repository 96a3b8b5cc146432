"""What figures show, as numbers; that all of them are drawn, of any study; and the page that is kept of it."""

import math
import random
import re
import warnings
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest
from histories import records_of, written

from metaopt.figures.account import account_of
from metaopt.figures.timeline import CONTINUED, LOST, Pauses, Timeline
from metaopt.figures.utilisation import placed, raster, utilisation
from metaopt.figures.values import curves, progress, shown, thinned
from metaopt.history import Fold
from metaopt.location import locate
from metaopt.messages import (
    Adopted,
    Assign,
    Closed,
    Finished,
    Joined,
    Lost,
    Opened,
    Reported,
    Started,
    Stop,
    Suggested,
    Thawed,
)
from metaopt.optimizers.sensitivity import sensitivity
from metaopt.plots import KINDS
from metaopt.plots.draw import drawings, inline
from metaopt.plots.style import label
from metaopt.reportpage import report
from metaopt.space import Space
from metaopt.stores.base import Record
from metaopt.wire import to_plain

SPACE = {
    "lr": "loguniform(1e-4, 1)",
    "kind": 'choice(a, "$x_1$ <b>&amp; a long one", null, true, 学习)',
    "momentum": {"prior": "uniform(0, 1)", "when": "kind == a"},
    "depth": "integer(1, 6)",
    "width": "integer(8, 4096, log)",
    "batch": "ordinal(16, 32, 256)",
    "noise": "normal(0, 1)",
    "epochs": 20,
}
X = {"x": "uniform(0, 1)"}
LOSS = {"metric": "loss", "goal": "minimize", "of": "last"}


def folded(*told):
    """A timeline, and the trials, by (run, time, fact)."""
    timeline, fold = Timeline(), Fold()
    for seq, (run, time, fact) in enumerate(told):
        record = Record(run, seq, time, type(fact).__name__, to_plain(fact))
        fold.take(record)
        timeline.take(record)
    return timeline, fold.study.trials


def opened(**changes):
    return Opened("1", 1, {"name": "a", "objective": LOSS}, **changes)


def bars(timeline, trials):
    return [(span.lane, span.trial, span.begin, span.end, span.state) for span in timeline.spans(trials)]


def test_each_attempt_is_a_bar_of_its_worker():
    timeline, trials = folded(
        (1, 0.0, opened()),
        *((1, 1.0, Joined(worker, "host", "core")) for worker in (1, 2)),
        (1, 1.0, Suggested(tuple({"x": n} for n in range(4)))),
        *((1, 2.0, Assign(worker, worker - 1, 1, {"x": worker - 1})) for worker in (1, 2)),
        *((1, 3.0, Started(worker, worker - 1, 1, 77)) for worker in (1, 2)),
        (1, 5.0, Reported(1, 0, 1, ((1, {"loss": 1.0}),))),
        (1, 6.0, Finished(1, 0, 1, "completed", ended=5.5)),
        (1, 7.0, Assign(1, 2, 1, {"x": 2})),
        (1, 8.0, Lost(2, "silent")),
        (1, 9.0, Finished(1, 2, 1, "failed", "boom")),
        (1, 10.0, Finished(2, 1, 1, "completed")),  # late: nobody believes it
        (1, 11.0, Assign(1, 1, 2, {"x": 1})),
        (2, 100.0, opened()),  # the first run has gone without a word
        (2, 101.0, Joined(1, "other", "core")),
        (2, 102.0, Assign(1, 1, 3, {"x": 1})),
        (2, 105.0, Reported(1, 1, 3, ((1, {"loss": 1.0}),))),
    )
    assert bars(timeline, trials) == [
        (0, 0, 3.0, 5.5, "completed"),
        (1, 1, 3.0, 8.0, LOST),
        (0, 2, 7.0, 9.0, "failed"),
        (0, 1, 11.0, 11.0, LOST),
        (0, 1, 102.0, 105.0, "running"),
    ]
    assert sorted(timeline.there()) == [(1.0, 8.0), (1.0, 11.0), (101.0, 105.0)]
    assert [(run.metaopt, len(run.workers), run.hosts) for run in timeline.runs.values()] == [
        ("1", 2, {"host"}),
        ("1", 1, {"other"}),
    ]


@pytest.mark.parametrize(("resumes", "state"), [(True, CONTINUED), (False, LOST)])
def test_an_attempt_that_was_asked_to_end_is_continued_where_scripts_resume_and_one_that_was_lost_is_not(
    resumes, state
):
    about = {"name": "a", "objective": LOSS, "resumes": resumes}
    timeline, trials = folded(
        (1, 0.0, Opened("1", 1, about)),
        *((1, 0.0, Joined(worker, "host", "core")) for worker in (1, 2)),
        (1, 0.0, Suggested(({"x": 0}, {"x": 1}))),
        *((1, 1.0, Assign(worker, worker - 1, 1, {"x": worker - 1})) for worker in (1, 2)),
        (1, 2.0, Lost(2, "silent")),
        (1, 3.0, Stop(1, 0, 1, "paused" if resumes else "interrupted")),
        (1, 4.0, Finished(1, 0, 1, "stopped")),
        *([(1, 5.0, Thawed(0, 1))] if resumes else []),
        (1, 6.0, Assign(1, 0, 2, {"x": 0})),
        (1, 7.0, Stop(1, 0, 2, "interrupted")),
        (1, 8.0, Finished(1, 0, 2, "stopped")),
    )
    assert bars(timeline, trials) == [(0, 0, 1.0, 4.0, state), (1, 1, 1.0, 2.0, LOST), (0, 0, 6.0, 8.0, state)]


def test_an_attempt_is_not_continued_by_one_that_does_not_resume():
    about = {"name": "a", "objective": LOSS}
    timeline, trials = folded(
        (1, 0.0, Opened("1", 1, {**about, "resumes": True})),
        (1, 0.0, Joined(1, "host", "core")),
        (1, 0.0, Suggested(({"x": 0},))),
        (1, 1.0, Assign(1, 0, 1, {"x": 0})),
        (1, 2.0, Stop(1, 0, 1, "interrupted")),
        (1, 3.0, Finished(1, 0, 1, "stopped")),
        (2, 4.0, Opened("1", 1, about)),
        (2, 4.0, Joined(1, "host", "core")),
        (2, 5.0, Assign(1, 0, 2, {"x": 0})),
    )
    assert [bar[-1] for bar in bars(timeline, trials)] == [LOST, "running"]


def test_workers_of_runs_at_the_same_time_have_rows_of_their_own():
    timeline, trials = folded(
        (1, 0.0, opened(alone=False)),
        (2, 0.0, opened(alone=False)),
        *((run, 1.0, Joined(1, f"host{run}", "core")) for run in (1, 2)),
        (1, 1.0, Suggested(({"x": 0},))),
        (2, 1.0, Suggested(({"x": 1},))),
        *((run, 2.0, Assign(1, run - 1, 1, {"x": run - 1})) for run in (1, 2)),
        (2, 9.0, Adopted((1,))),
        (2, 10.0, Finished(1, 1, 1, "failed", "boom")),
        (2, 11.0, Assign(1, 0, 2, {"x": 0})),
        (2, 12.0, Closed()),
    )
    assert bars(timeline, trials) == [
        (0, 0, 2.0, 2.0, LOST),
        (1, 1, 2.0, 10.0, "failed"),
        (1, 0, 11.0, 12.0, LOST),
    ]


def test_long_pauses_are_cut_short_and_time_is_shared_out():
    there = [(0.0, 100.0), (0.0, 50.0), (10_000.0, 10_100.0)]
    pauses = Pauses(there)
    assert pauses.cuts == [105.0]
    times = [0.0, 50.0, 100.0, 5_000.0, 10_000.0, 10_100.0]
    assert placed(pauses, np.array(times)).tolist() == pytest.approx([pauses.place(time) for time in times])
    assert [pauses.place(time) for time in (-5, 100, 10_000, 10_050, 20_000)] == [0.0, 100.0, 110.0, 160.0, 210.0]

    timeline, trials = folded(
        (1, 0.0, opened()),
        *((1, 0.0, Joined(worker, "host", "core")) for worker in (1, 2)),
        (1, 0.0, Suggested(({"x": 0},))),
        (1, 0.0, Assign(1, 0, 1, {"x": 0})),
        (1, 60.0, Finished(1, 0, 1, "failed", "boom")),
        (1, 240.0, Closed()),
    )
    told = utilisation(timeline.spans(trials), timeline.there())
    assert told.share == pytest.approx(60 / 480)
    assert (told.there == 2).all()
    assert told.busy[:60] == pytest.approx(np.ones(60))
    assert told.busy[60:] == pytest.approx(np.zeros(180))


def test_a_picture_of_the_timeline_keeps_what_is_rare():
    timeline, trials = folded(
        (1, 0.0, opened()),
        *((1, 0.0, Joined(worker, "host", "core")) for worker in (1, 2)),
        (1, 0.0, Suggested(tuple({"x": n} for n in range(2)))),
        (1, 0.0, Assign(1, 0, 1, {"x": 0})),
        (1, 50.0, Finished(1, 0, 1, "failed", "boom")),
        (1, 50.0, Assign(1, 1, 1, {"x": 1})),
        (1, 100.0, Reported(1, 1, 1, ((1, {"loss": 1.0}),))),
        (1, 100.0, Finished(1, 1, 1, "completed")),
    )
    spans, pauses = timeline.spans(trials), Pauses(timeline.there())
    picture = raster(spans, pauses, ("completed", "failed"), (1, 4))
    assert picture.tolist() == [[1.0, 1.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("values", "sign", "said"),
    [
        ([], 1, (0, 1, False)),
        ([3.0], 1, (2.85, 3.15, False)),
        ([0.0], 1, (-0.5, 0.5, False)),
        ([1.0, 2.0, 3.0, math.nan, math.inf], 1, (0.9, 3.1, False)),
        ([1.0, 2.0, 3.0, 1e9], 1, (0.9, 3.1, False)),
        ([-1.0, -2.0, -3.0, -1e9], -1, (-3.1, -0.9, False)),
        ([1e-6, 1e-3, 2e-3], 1, (1e-6, 2e-3, True)),
    ],
)
def test_an_axis_shows_what_is_worth_seeing(values, sign, said):
    low, high, log = shown(values, sign)
    assert log is said[2]
    assert (low, high) == pytest.approx(said[:2], rel=0.5 if log else 1e-9)
    huge = shown([-1.7e308, 1.7e308, *values], sign)
    assert math.isfinite(huge.high - huge.low)
    assert huge.share(1e308) <= 1.0


def test_some_of_many():
    assert thinned(range(5), 5) == [0, 1, 2, 3, 4]
    assert thinned(range(1001), 3) == [0, 500, 1000]


def study(place, points, space=None, objective=LOSS, constraints=(), outcome=None, trials=None):
    """A finished study in a journal, a trial for each of ``points``: (params, its (step, values) pairs)."""
    about = {"name": "<a & b>", "objective": objective, "constraints": list(constraints), "trials": len(points)}
    about |= {"space": space or SPACE, "command": ["train", "{lr}"], "directory": "/some"}
    told = [Opened("0.0.9", 1, about), *(Joined(n, f"host{n}", "core") for n in (1, 2))]
    told += [Suggested(tuple(params for params, _ in points))]
    for number, (params, said) in enumerate(points):
        worker, (ended, error) = number % 2 + 1, (outcome or {}).get(number, ("completed", ""))
        told += [Assign(worker, number, 1, params), Started(worker, number, 1, 9)]
        told += [Reported(worker, number, 1, tuple(said)), Finished(worker, number, 1, ended, error)]
    return account_of(locate(written(str(place), records_of(*told))))


def some(number, seed=0):
    """A point of SPACE, and what its script says of it."""
    chance = random.Random(f"{seed} {number}")
    space = Space.parse(SPACE)
    params = space.from_unit([chance.random() for _ in space.searched])
    level = (math.log10(params["lr"]) + 2) ** 2 + chance.gauss(0, 0.01)
    first = [(0, {"loss": math.nan if number % 2 else math.inf})]
    return params, first + [
        (step, {"loss": level + 1 / step, "mem$ory$": params["depth"] + 0.1 * step}) for step in (1, 2, 3)
    ]


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Of all kinds, each read once."""
    place = tmp_path_factory.mktemp("studies")
    boom = {1: ("failed", "Traceback\n<script>boom</script> \udc80"), 4: ("failed", "x\n<script>boom</script> \udc80")}
    several = [LOSS, {"metric": "mem$ory$", "goal": "maximize", "of": "last"}, {**LOSS, "metric": "third"}]
    third = [(params, [(s, {**v, "third": -v["loss"]}) for s, v in said]) for params, said in map(some, range(20))]
    limit = [{"metric": "loss", "op": ">=", "bound": 2.0}]
    extreme = [1.7e308, -1.7e308, 0.0, 1e-300, 5.0, 6.0, 7.0]
    wide = {f"p{n}": "uniform(0, 1)" for n in range(20)}
    many = [({f"p{n}": random.Random(f"{t} {n}").random() for n in range(20)}, []) for t in range(12)]
    many = [(params, [(1, {"loss": params["p3"]})]) for params, _ in many]
    return {
        "twenty": study(place / "a", [some(n) for n in range(20)], outcome=boom, constraints=limit),
        "several": study(place / "b", third, objective=several),
        "one": study(place / "c", [some(0)]),
        "failed": study(place / "e", [some(n) for n in range(3)], outcome=dict.fromkeys(range(3), ("failed", ""))),
        "extreme": study(place / "f", [(some(n)[0], [(1, {"loss": v})]) for n, v in enumerate(extreme)]),
        "wide": study(place / "h", many, space=wide),
    }


def test_what_is_not_feasible_is_never_the_best(studies):
    account = studies["twenty"]
    told = progress(account)
    assert len(told.ended) == 18
    assert told.ended[:3] == [1, 3, 4]
    best = [value for value, kept in zip(told.values, told.feasible, strict=True) if kept]
    assert told.best[-1] == min(best) == account.history.best.objective
    assert min(told.values) < min(best)
    assert account.ranked[0] is account.history.best
    maximised = progress(studies["several"], 1)
    assert maximised.best == np.maximum.accumulate(maximised.values).tolist()


def test_the_best_curves_are_shown(studies):
    account = studies["twenty"]
    shown_curves, many = curves(account, 10)
    assert (len(shown_curves), many) == (10, 20)
    assert shown_curves[0] is account.history.best


def test_to_find_the_best_curves_none_is_read_to_its_beginning(tmp_path):
    account = study(tmp_path / "x", [some(number) for number in range(20)])
    assert curves(account, 10)[1] == 20
    assert not any(trial.known for trial in account.counted)


@pytest.mark.parametrize(
    ("function", "first", "total"),
    [
        (lambda x, y, z: 2 * x + y, (0.8, 0.2, 0), (0.8, 0.2, 0)),
        (lambda x, y, z: (x - 0.5) * (z - 0.5), (0, 0, 0), (1, 0, 1)),
    ],
)
def test_shares_are_those_that_are_known(function, first, total):
    chance = random.Random(1)
    points = [[chance.random() for _ in range(3)] for _ in range(50)]
    space = Space.parse(dict.fromkeys("xyz", "uniform(0, 1)"))
    found = sensitivity(space, [(dict(zip("xyz", point, strict=True)), function(*point)) for point in points])
    assert found.first == pytest.approx(first, abs=0.05)
    assert found.total == pytest.approx(total, abs=0.05)
    assert found.explained > 0.95


def test_noise_explains_nothing():
    chance = random.Random(1)
    found = sensitivity(
        Space.parse({"x": "uniform(0, 1)"}), [({"x": chance.random()}, chance.random()) for _ in "x" * 30]
    )
    assert found is None or found.explained < 0.3
    assert sensitivity(Space.parse({"x": "uniform(0, 1)"}), [({"x": 0.5}, 1.0), ({"x": 0.6}, 1.0)]) is None


MISSING = {
    "twenty": set(),
    "several": set(),
    "one": {"importance"},
    "failed": {"regret", "importance", "parallel", "slices"},
    "extreme": {"curves"},
    "wide": {"curves"},
}


def test_a_label_can_be_drawn():
    assert [label(each) for each in (1e-5, 123456.0, -0.5, "a\nb\udc80", True, None)] == [
        *("1e-5", "1.23e5", "-0.5", "a?b?", "True", "None")
    ]
    assert len(label("x" * 99)) == 22


def test_a_figure_of_what_is_not_there(studies):
    for kind, what in (("one", "pareto"), ("one", "importance"), ("failed", "regret")):
        with pytest.raises(Exception, match=r"metaopt status|Plot its regret"):
            drawings(studies[kind], [what])


def test_what_is_left_out_is_said_and_a_picture_has_its_own_colours_on_each_ground(tmp_path):
    many = study(tmp_path / "many", [({"x": n / 1600}, [(1, {"loss": n * 1.0})]) for n in range(1600)], X)
    few = study(tmp_path / "few", [({"x": n / 16}, [(1, {"loss": n * 1.0})]) for n in range(16)], X)
    said = {each.title: each.note for each in drawings(many, ["slices", "parallel"])[0]}
    assert "400 of 1600" in said["Slices"]
    assert re.search(r"[1-9]\d+ of 1600", said["Parallel coordinates"])
    assert not any(" of 16" in each.note for each in drawings(few, ["slices", "parallel"])[0])
    bars, picture = (inline(drawings(each, ["timeline"])[0][0], 1) for each in (few, many))
    assert "var(--blue)" in bars
    assert "<image" in picture
    assert "var(--blue)" not in picture


class Page(HTMLParser):
    """Its elements, what they point to, and its texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.targets, self.texts, self.open = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in {"meta", "link", "img", "br"}:
            self.open.append(tag)
        said = dict(attrs)
        if tag == "section":
            self.ids.append(said["id"])
        self.targets += [v for k, v in attrs if k in {"src", "href", "action", "data", "xlink:href", "srcset"}]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize("kind", MISSING)
def test_a_report_is_one_page_that_needs_no_network(studies, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = report(studies[kind], "train <x>").decode()
    page = Page(text)
    assert not page.open
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert all(target.startswith(("#", "data:image/png")) for target in page.targets)
    assert "http" not in text
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(svg)  # noqa: S314 - our own
        assert "<path" in svg
        assert not re.search("#[0-9a-f]{6}", svg.replace("&#", "")), "a colour that is the same on both grounds"
    assert "url(" not in text.replace("url(#", "")
    assert page.tags.count("svg") == len(KINDS) - (kind != "several") - len(MISSING[kind])
    assert {target[1:] for target in page.targets if target[1:] in page.ids} == set(page.ids)
    assert "prefers-color-scheme: dark" in text
    said = "".join(page.texts)
    assert "<a & b>" in said
    assert "0.0.9" in said
    if kind == "twenty":
        assert "2: <script>boom</script> \\udc80" in said
        assert "train <x>" in said
        assert "18 completed, 2 failed" in said
        assert "loss >= 2 is exceeded by" in said
        assert {"0.0001", "$x_1$ <b>&a…", "failed", "worker", "exceeds a constraint"} <= set(page.texts)
    if kind == "failed":
        assert "no result yet" in said
        assert "No regret, importance, parallel, slices: no trial has a result yet." in said
