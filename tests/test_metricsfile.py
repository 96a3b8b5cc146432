"""Metrics in a file of the script's own: tables and JSON lines, followed while they are written, torn and rewritten."""

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.attempt import _files
from metaopt.metricsfile import MetricsFile, Rows
from metaopt.tail import Lines, points_in
from metaopt.welcome import Welcome

TABLE = "epoch,loss,acc\n1,0.5,0.7\n2,0.4,0.8\n"
POINTS = [(1, {"loss": 0.5, "acc": 0.7}), (2, {"loss": 0.4, "acc": 0.8})]


def all_of(file, *, last=False, limit_bytes=1 << 18):
    """What the file says until all of it is read."""
    points, all_read = [], False
    while not all_read:
        new, all_read = file.read(limit_bytes, last=last)
        points += new
    return points


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


@pytest.fixture
def follow(path):
    return lambda step="", pattern=path: MetricsFile(str(pattern), step, pause=0)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        (TABLE, POINTS),
        ("\ufeff" + TABLE.replace("\n", "\r\n"), POINTS),
        (TABLE.replace(",", ";"), POINTS),
        (TABLE.replace(",", "\t"), POINTS),
        (TABLE.replace(",", " ,   "), POINTS),
        ("# made by hand\n" + TABLE.rstrip(), POINTS),
        (TABLE + TABLE, POINTS * 2),  # the header again is no row
        ("loss\n0.5\n0.4\n", [(1, {"loss": 0.5}), (2, {"loss": 0.4})]),
        ("Step,epoch,loss\n10,0,1\n20,,2\n", [(10, {"epoch": 0.0, "loss": 1.0}), (20, {"loss": 2.0})]),
        ("loss,step,val\n1,5,\n,5,2\n,,\n3,,\n", [(5, {"loss": 1.0}), (5, {"val": 2.0}), (5, {"loss": 3.0})]),
        ('epoch,note,"a, b"\n1,"x, ""y""",2\n2,"two\nlines",3\n', [(1, {"a, b": 2.0}), (2, {"a, b": 3.0})]),
        ('epoch,note,loss\n1,5" pipe,2\n2,",3\n' + "3,x,4\n" * 30, [(1, {"loss": 2.0}), *[(3, {"loss": 4.0})] * 10]),
        ("step,loss\n0.5,1\n1,2\n", [(0.5, {"loss": 1.0}), (1, {"loss": 2.0})]),
        ("step,loss\n1,2,3\n2\n3,4\n", [(3, {"loss": 4.0})]),  # torn
        ("epoch,loss\n1,NA\n2,inf\n", [(2, {"loss": math.inf})]),
        ('{"epoch": 1, "loss": 0.5, "ok": true, "s": "1"}\nnoise\n{"loss"\n{"loss": -Infinity}\n', None),
        ('{"loss": 1}\n\n{"lr": null, "in": {"a": 1}}\n[1]\n{"loss": 1e-3}', [(1, {"loss": 1.0}), (2, {"loss": 1e-3})]),
        ("", []),
        ("1,0.5\n", []),
    ],
)
def test_what_a_file_says(path, follow, text, points):
    file = follow()
    assert file.read() == ([], True)  # it is not there yet
    path.write_text(text, encoding="utf-8", newline="")
    found = all_of(file, limit_bytes=3) + all_of(file, last=True)
    assert found == ([(1, {"loss": 0.5}), (1, {"loss": -math.inf})] if points is None else points)
    assert file.read(last=True) == ([], True)


def test_a_value_that_is_not_a_number_is_told(path, follow):
    path.write_text("")
    file = follow()
    path.write_text("epoch,loss\n1,nan\n")
    ((step, metrics),) = all_of(file)
    assert step == 1
    assert math.isnan(metrics["loss"])


def test_the_column_of_the_steps_can_be_named(path, follow):
    file = follow("iteration")
    path.write_text("step,iteration,loss\n1,100,2\n")
    assert all_of(file) == [(100, {"step": 1.0, "loss": 2.0})]
    assert file.unheard() == []


CELLS = st.one_of(
    st.floats(allow_nan=False).map(str), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
)
NAMES = st.lists(st.sampled_from(["epoch", "loss", "a,b", 'say "x"', "é"]), min_size=2, max_size=4, unique=True)


@given(st.data())
def test_it_does_not_matter_how_a_file_is_cut(data):
    names = data.draw(NAMES)
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), max_size=6))
    if data.draw(st.booleans()):
        text = "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    else:
        table = io.StringIO(newline="")
        csv.writer(table).writerows([names, *rows])
        text = table.getvalue()
    whole = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    at_once, by_pieces, lines = Rows(), Rows(), Lines()
    expected = points_in(Lines().feed(whole, last=True), at_once)
    found = [point for piece in pieces for point in points_in(lines.feed(piece), by_pieces)]
    assert found + points_in(lines.feed(b"", last=True), by_pieces) == expected


@given(st.lists(st.integers(0, 120), max_size=12), st.integers(1, 40))
def test_however_a_file_grows_and_is_rewritten_each_row_is_told_once_and_in_order(tmp_path_factory, sizes, limit):
    """Cut off anywhere, then longer, then shorter: it is one text; at last with a column more."""
    path = tmp_path_factory.mktemp("rewritten") / "metrics.csv"
    rows = [f"{n},{n / 7}\n" for n in range(1, 12)]
    text = "step,loss\n" + "".join(rows)
    file = MetricsFile(str(path), pause=0)
    points = []
    for size in sizes:
        path.write_text(text[:size])
        points += file.read(limit)[0]
    path.write_text("acc," + text.split("\n", 1)[0] + "\n" + "".join(f",{row}" for row in rows) + "1,12,0\n")
    points += all_of(file, last=True, limit_bytes=limit)
    assert points == [*((n, {"loss": n / 7}) for n in range(1, 12)), (12, {"acc": 1.0, "loss": 0.0})]


def test_a_row_that_is_being_written_is_waited_for(path, follow):
    file = follow()
    path.write_text(TABLE + "3,0.1")
    assert all_of(file) == POINTS
    with path.open("a") as more:
        more.write("25,0.9\n4,0")
    assert all_of(file) == [(3, {"loss": 0.125, "acc": 0.9})]
    assert all_of(file, last=True) == []  # the script was killed over it


def test_a_file_that_is_replaced_by_another_one_is_followed_there(path, follow, tmp_path):
    file = follow()
    path.write_text(TABLE)
    assert all_of(file) == POINTS
    path.unlink()
    assert all_of(file) == []
    (tmp_path / "new").write_text(TABLE + "3,0.1,0.9\n")
    (tmp_path / "new").replace(path)
    assert all_of(file) == [(3, {"loss": 0.1, "acc": 0.9})]


def test_an_attempt_that_appends_tells_its_own_rows_alone(path, follow):
    path.write_text(TABLE + "3,0")
    file = follow()
    assert all_of(file) == []
    with path.open("a") as more:
        more.write(".3,1\n4,0.2,1\n")
    assert all_of(file, limit_bytes=5) == [(3, {"loss": 0.3, "acc": 1.0}), (4, {"loss": 0.2, "acc": 1.0})]
    path.write_text("epoch,loss,acc,lr\n1,0.5,0.7,\n2,0.4,0.8,\n3,0.3,1,\n4,0.2,1,\n5,0.1,1,2\n")
    assert all_of(file, last=True) == [(5, {"loss": 0.1, "acc": 1.0, "lr": 2.0})]


@pytest.mark.parametrize("seen", [True, False], ids=["seen empty", "at once"])
def test_an_attempt_that_begins_the_same_file_anew_tells_all_of_it(path, follow, seen):
    path.write_text(TABLE)
    file = follow()
    assert all_of(file) == []
    if seen:
        path.write_text("")
        assert all_of(file) == []
    path.write_text(TABLE)
    os.utime(path, (1, 1))
    assert all_of(file) + all_of(file, last=True) == POINTS


@pytest.mark.parametrize("text", [TABLE, TABLE.rstrip()])
def test_an_attempt_that_writes_nothing_tells_nothing(path, follow, text):
    path.write_text(text)
    file = follow()
    assert all_of(file) + all_of(file, last=True) == []
    assert file.unheard() == [f"its metrics_file {path} got no row with a number; its columns are epoch, loss, acc"]


def test_of_those_that_match_the_newest_is_followed(tmp_path, follow):
    """As of the versions that a logger makes, one for each attempt."""
    first, second = tmp_path / "version_0" / "metrics.csv", tmp_path / "version_1" / "metrics.csv"
    first.parent.mkdir()
    first.write_text(TABLE)
    os.utime(first, (1, 1))
    file = follow(pattern=tmp_path / "version_*" / "metrics.csv")
    assert all_of(file) == []
    second.parent.mkdir()
    second.write_text(TABLE)
    assert all_of(file) == POINTS


@pytest.mark.parametrize(
    ("text", "step", "said"),
    [
        (None, "", "was never written"),
        ("", "", "got no row with a number"),
        ("loss,acc\n", "", "got no row with a number; its columns are loss, acc"),
        ("loss,acc\n1,2\n", "iter", "has no iter, so its n-th row is step n; its columns are loss, acc"),
        ('{"loss": 1}\n', "iter", "has no iter, so its n-th row is step n"),
    ],
)
def test_what_is_amiss_is_said(path, follow, text, step, said):
    file = follow(step)
    if text is not None:
        path.write_text(text)
    all_of(file, last=True)
    assert file.unheard() == [f"its metrics_file {path} {said}"]


def test_what_a_pattern_would_mean_means_itself_in_a_directory_or_a_value(tmp_path):
    place = tmp_path / "[a]*"
    place.mkdir()
    (place / "*?.csv").write_text("")
    welcome = Welcome((), str(place), "", {}, None, 1.0, 1, 1, metrics_file="{name}.csv")
    (file,) = _files(welcome, {"name": "*?"})
    (place / "other.csv").write_text("loss\n2\n")
    (place / "*?.csv").write_text("loss\n1\n")
    assert all_of(file, last=True) == [(1, {"loss": 1.0})]


def test_a_directory_is_no_file(path, follow):
    path.mkdir()
    file = follow()
    assert all_of(file, last=True) == []
    assert file.unheard() == [f"its metrics_file {path} cannot be read: it is no file"]


def test_a_file_is_not_looked_at_all_the_time(path):
    file = MetricsFile(str(path), pause=3600)
    assert file.read() == ([], True)
    path.write_text(TABLE)
    assert file.read() == ([], True)
    assert file.read(last=True) == (POINTS, True)


def test_a_worker_loads_little_for_this():
    code = "import sys, metaopt.attempt; print(*sys.modules)"
    root = Path(__file__).parents[1]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True).stdout
    assert not {"numpy", "yaml", "scipy", "pandas"} & set(loaded.split())
