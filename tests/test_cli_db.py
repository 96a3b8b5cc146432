"""metaopt db: copies are exact, a look through finds what is wrong, tables say what the history says."""

import csv
import io
import itertools
import json
import math
import os
import subprocess
import sys

import pytest
import yaml
from histories import DESCRIPTION, LEVELDB, MONGO, facts, read, records_of, simulated, written
from pyarrow import parquet
from running import refused

from metaopt import history, transfer
from metaopt.cli import main
from metaopt.cli.base import spinner
from metaopt.messages import Assign, Closed, Finished, Joined, Opened, Reported, Started, Stop, Suggested, Thawed
from metaopt.stores import open_store
from metaopt.stores.base import Record
from metaopt.stores.journal import Journal


def tree(directory):
    return {path: path.read_bytes() if path.is_file() else None for path in directory.rglob("*")}


# ---- copy


@LEVELDB
def test_a_copy_by_way_of_every_store_has_equal_records(here, capsys):
    simulated("a.history")
    places = ["a.history", "tinydb:b.json", "leveldb:c.leveldb", "d.history"]
    for source, target in itertools.pairwise(places):
        assert main(["db", "copy", source, target]) == 0
        said = capsys.readouterr()
        assert said.out == f"{target} is now a copy of {source}: 167 records of study simulated, read back equal\n"
        assert said.err == ""
    assert read("d.history") == read("a.history")
    assert len(history.load("d.history").trials) == 20


@MONGO
def test_a_copy_by_way_of_mongodb_keeps_what_bson_cannot_hold_and_its_name(here, database, capsys):
    odd = Record(1, 11, 5e9, "Suggested", {"params": [{"x": 1 << 70, "kind": "\udc80", "y": 1.0, "": None}]})
    written("a.history", [*records_of(*facts()), odd])
    assert main(["db", "copy", "a.history", database]) == 0
    assert capsys.readouterr().out.startswith(f"{database}#digits is now a copy of a.history: 11 records")
    assert main(["db", "copy", "a.history", f"{database}#other"]) == 0
    assert main(["db", "copy", f"{database}#other", "b.history"]) == 0
    assert read(database, "digits") == read("a.history") == read("b.history")
    capsys.readouterr()
    refused(capsys, ["db", "copy", database, "c.history"], "which study is not said", "digits, other")


@MONGO
def test_a_study_of_that_name_is_not_written_over(here, database, capsys):
    written("a.history")
    written("b.history", records_of(*facts()[:-1], Closed()))
    assert main(["db", "copy", "a.history", database]) == 0
    capsys.readouterr()
    refused(capsys, ["db", "copy", "b.history", database], "holds a study already", "its record 10 is another one")
    assert read(database, "digits") == read("a.history")


def test_a_source_that_is_written_meanwhile_is_not_changed(here, capsys):
    store = Journal("a.history", create=True)
    store.append(records_of(*facts()))
    before = tree(here)
    assert main(["db", "copy", "a.history", "tinydb:b.json"]) == 0
    assert {path: kept for path, kept in tree(here).items() if path in before} == before
    store.append([Record(1, 11, 5e9, "Closed", {})])
    store.close()
    assert len(read("tinydb:b.json")) == 10


@MONGO
def test_two_who_copy_to_one_place_do_not_mix(here, database, capsys, monkeypatch):
    written("a.history")
    compare = transfer._Target._compare

    def meanwhile(self, store, ours, cursor):
        cursor = compare(self, store, ours, cursor)
        written(database, records_of(*facts()[:3]))
        return cursor

    monkeypatch.setattr(transfer._Target, "_compare", meanwhile)
    refused(capsys, ["db", "copy", "a.history", database], f"somebody else writes to {database}", "#NAME")
    assert len(read(database, "digits")) == 3


def test_what_takes_long_is_shown_in_a_terminal_only(capsys, monkeypatch):
    for forced, shown in (("1", True), ("", False)):
        monkeypatch.setenv("FORCE_COLOR", forced)
        with spinner(0.0) as told:
            told("copying", 2000)
        assert ("copying: 2,000 records" in capsys.readouterr().err) == shown


class Unplugged(Exception):
    """Stands for kill -9."""


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("target", ["b.history", "tinydb:b.json"])
def test_a_copy_that_was_cut_off_is_gone_on_with(here, capsys, monkeypatch, target, batches):
    simulated("a.history")
    monkeypatch.setattr(transfer, "BATCH", 50)
    with monkeypatch.context() as cut:
        append = transfer._Target._append

        def dies(self, store, ours, cursor):
            append(self, store, itertools.islice(ours, batches * 50), cursor)
            raise Unplugged

        cut.setattr(transfer._Target, "_append", dies)
        assert main(["db", "copy", "a.history", target]) == 1
    capsys.readouterr()
    assert len(read(target)) == batches * 50
    assert main(["db", "copy", "a.history", target]) == 0
    said = capsys.readouterr()
    assert said.err == f"went on with a copy that was cut off after {batches * 50} records\n"
    assert "167 records of study simulated, read back equal" in said.out
    assert read(target) == read("a.history")
    assert main(["db", "copy", "a.history", target]) == 0
    assert f"{target} was a copy already of a.history: 167 records" in capsys.readouterr().out


def test_a_copy_that_is_interrupted_or_has_no_room_says_how_to_go_on(here, capsys, monkeypatch):
    simulated("a.history")
    monkeypatch.setattr(transfer, "BATCH", 50)
    for error, status, text in (
        (KeyboardInterrupt(), 130, "interrupted; what has been copied to b.history stays there"),
        (OSError(28, "No space left on device"), 1, "b.history cannot be written: No space left on device; 50 records"),
    ):
        append, calls = Journal.append, itertools.count()

        def fails(self, records, after=None, *, error=error, append=append, calls=calls):
            if records and next(calls):
                raise error
            return append(self, records, after)

        with monkeypatch.context() as full:
            full.setattr(Journal, "append", fails)
            assert main(["db", "copy", "a.history", "b.history"]) == status
        said = capsys.readouterr().err
        assert text in said
        assert "the same command goes on" in said.lower()
        (here / "b.history" / "journal.jsonl").unlink()


def test_what_does_not_read_back_is_told(here, capsys, monkeypatch):
    simulated("a.history")
    append = Journal.append
    monkeypatch.setattr(Journal, "append", lambda self, records, after=None: append(self, records[:-1], after))
    assert main(["db", "copy", "a.history", "b.history"]) == 1
    assert "b.history does not read back as it was written: 167 records, and 166 records are" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["b.history", "tinydb:b.json"])
def test_a_target_with_another_study_or_more_of_this_one_is_not_touched(here, capsys, url):
    simulated("a.history")
    written(url)
    before = tree(here)
    refused(capsys, ["db", "copy", "a.history", url], f"{url} holds a study already", "its record 1 is another one")
    assert tree(here) == before
    written("short.history", records_of(*facts()[:4]))
    refused(capsys, ["db", "copy", "short.history", url], "it has more records", "Name a place where there is none")
    assert read(url) == records_of_plain()


def records_of_plain():
    """Those of ``facts`` as JSON gives them back."""
    return [Record(r.run, r.seq, r.time, r.kind, json.loads(json.dumps(r.body))) for r in records_of(*facts())]


@pytest.mark.parametrize(
    ("source", "target", "texts"),
    [
        ("nowhere", "b", ["nowhere: there is no history here"]),
        ("x" * 300, "b", ["cannot be looked at: File name too long"]),
        ("tinydb:nowhere", "b", ["there is no history here", "tinydb:PATH"]),
        ("nowhere.yaml", "b", ["nowhere.yaml: there is no such file"]),
        ("empty", "b", ["empty: this history is empty"]),
        ("foreign", "b", ["the first record of this history is no Opened"]),
        ("twice", "b", ["record 1 of run 1 is out of its order"]),
        ("corrupt", "b", ["corrupt/journal.jsonl:2: this line is no record"]),
        ("a.history", "a.history", ["are the same place"]),
        ("a.history", "./a.history/", ["are the same place"]),
        ("a.history", "cassandra:b", ["no store is known for cassandra:"]),
        ("a.history", "memory:", ["memory: only"]),
        ("memory:", "b", ["memory: only"]),
        ("a.history", "tinydb:", ["tinydb: says no path"]),
        ("a.history", "file/b", ["file/b: the history's directory cannot be made"]),
        ("a.history", "no/such/b", ["there is no ", "mkdir -p "]),
        ("a.history", "file", ["file is a file; a history is a directory"]),
        ("a.history/journal.jsonl", "b", ["is a file", "Give a.history"]),
        ("a.history", "mongodb://host", ["names no database"]),
        ("a.history", "mongodb://me:secret@host/db", ["a password on a command line", "METAOPT_MONGODB_PASSWORD_FILE"]),
        ("mongodb+srv://me:secret@host/db", "b", ["mongodb+srv://me:***@host/db", "METAOPT_MONGODB_PASSWORD"]),
    ],
)
def test_what_cannot_be_copied_is_refused_and_nothing_is_written(here, capsys, source, target, texts):
    written("a.history")
    opened, joined, *_ = records_of(*facts())
    written("foreign", [joined])
    written("corrupt", [opened])
    with (here / "corrupt" / "journal.jsonl").open("a") as journal:
        journal.write("garbage\n")
    (here / "empty").mkdir()
    (here / "empty" / "journal.jsonl").touch()
    (here / "file").touch()
    (here / "twice").mkdir()
    (here / "twice" / "journal.jsonl").write_text(one_line(opened) + one_line(opened))
    before = tree(here)
    refused(capsys, ["db", "copy", source, target], *texts)
    left = {path for path in tree(here) if path not in before}
    assert not [path for path in left if path.is_file() and path.stat().st_size]
    assert {path: kept for path, kept in tree(here).items() if path in before} == before


def one_line(record):
    about = {"run": record.run, "seq": record.seq, "time": record.time, "kind": record.kind, "body": record.body}
    return json.dumps(about) + "\n"


@pytest.mark.parametrize("argv", [[], ["cpoy", "a", "b"], ["copy", "a"], ["check"], ["export", "a", "--format", "xml"]])
def test_a_command_that_is_none_has_status_2(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["db", *argv])
    assert ended.value.code == 2
    assert "usage: metaopt db" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["db"], ["db", "copy"], ["db", "check"], ["db", "export"]])
def test_there_is_help(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*argv, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "mongodb://HOST/DATABASE#STUDY" in said
    assert max(map(len, said.splitlines())) <= 110


# ---- check


def test_a_history_that_is_well_is_told_in_short(here, capsys):
    simulated("a.history")
    assert main(["db", "check", "a.history"]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    best = history.load("a.history").best
    assert said["records"] == "167 in 1 run"
    assert said["trials"] == "20 of ? done: 20 completed"
    assert said["best"] == f"trial {best.number}, loss = {best.objective:.6g}"
    assert said["size"] == f"{(here / 'a.history' / 'journal.jsonl').stat().st_size:,} bytes"
    assert said["problems"] == "none"
    assert not {"late", "unheard"} & said.keys()


def test_late_words_and_results_that_were_not_heard_are_counted_and_nothing_is_changed(here, capsys):
    late = [Reported(2, 0, 1, ((1, {"loss": 1.0}),)), Started(1, 0, 1, 7)]
    written("a.history", records_of(*facts(), *late))
    told = {"attempt": 1, "params": {"x": 2.5, "kind": None}, "outcome": "completed", "error": "", "points": []}
    for trial in ("2", "3"):
        (here / "a.history" / "trials" / trial).mkdir(parents=True)
        (here / "a.history" / "trials" / trial / "outcome.json").write_text(json.dumps(told))
    before = tree(here)
    assert main(["db", "check", "a.history"]) == 0
    said = capsys.readouterr().out
    assert "late      2 words" in said
    assert "unheard   1 results in" in said
    assert "trials    2 of 4 done: 1 waiting, 1 running, 1 completed, 1 failed" in said
    assert tree(here) == before


@pytest.mark.parametrize("url", ["tinydb:a.json", pytest.param("leveldb:a.leveldb", marks=LEVELDB)])
def test_a_history_in_no_directory_is_looked_through_as_well(here, capsys, url):
    written(url)
    assert main(["db", "check", url]) == 0
    assert "records   10 in 1 run" in capsys.readouterr().out


@MONGO
def test_a_history_in_mongodb_is_looked_through_as_well(here, capsys, database):
    written(database)
    assert main(["db", "check", database]) == 0
    said = capsys.readouterr().out
    assert "records   10 in 1 run" in said
    assert "size" not in said


def corrupted(change):
    """The records of ``facts``, changed."""
    records = records_of(*facts())
    change(records)
    return records


def again(records, kind, **changes):
    """One more record of that kind, with other fields."""
    found = next(record for record in records if record.kind == kind)
    records.append(Record(1, records[-1].seq + 1, 2e9, kind, {**found.body, **changes}))


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        (lambda r: r.pop(3), ["record 4 of run 1 missing, before its Assign", "cannot have happened: KeyError(0)"]),
        (lambda r: r.__delitem__(slice(1, 3)), ["records 2 to 3 of run 1 missing, before its Suggested"]),
        (lambda r: r.append(r[1]), ["record 2 of run 1 comes after record 10 of it"]),
        (lambda r: r.pop(0), ["the first record of this history is no Opened but Joined"]),
        (lambda r: again(r, "Finished"), ["attempt 1 at trial 0 has two results"]),
        (lambda r: again(r, "Assign"), ["trial 0 cannot go from completed to running"]),
        (lambda r: again(r, "Joined", hat=1), ["record 11 of run 1: not a message: Joined"]),
        (lambda r: again(r, "Opened", format=99), ["this history has format 99"]),
        (lambda r: [again(r, "Assign", trial=n) for n in range(100, 160)], ["KeyError(100)", "problem: and 10 more"]),
    ],
)
def test_everything_that_cannot_be_is_told_on_a_line(here, capsys, change, problems):
    lines = "".join(map(one_line, corrupted(change)))
    (here / "a.history").mkdir()
    (here / "a.history" / "journal.jsonl").write_text(lines)
    assert main(["db", "check", "a.history"]) == 1
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("problem: ")]
    for problem in problems:
        assert [line for line in told if problem in line], told
    assert (here / "a.history" / "journal.jsonl").read_text() == lines


def test_runs_at_once_may_leave_numbers_out(here, capsys):
    described = facts()[0].experiment
    written("a.history", [records_of(Opened("1", 1, described, alone=False))[0], *records_of(Joined(1, "h", "d"))[:0]])
    store = open_store("a.history")
    store.append([Record(1, 5, 2e9, "Closed", {})])
    store.close()
    assert main(["db", "check", "a.history"]) == 0


def test_where_it_cannot_be_read_on_is_told_with_what_to_do(here, capsys):
    written("a.history")
    path = here / "a.history" / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, "garbage\n"]))
    assert main(["db", "check", "a.history"]) == 1
    said = capsys.readouterr().out
    assert "journal.jsonl:11: this line is no record: b'garbage\\n'; what follows was not read.  Nothing" in said
    assert "records   10 in 1 run\n" in said


@pytest.mark.parametrize("where", ["nowhere", "empty", "exp.yaml"])
def test_where_there_is_no_history_nothing_can_be_looked_through(here, capsys, where):
    (here / "empty").mkdir()
    (here / "empty" / "journal.jsonl").touch()
    (here / "exp.yaml").write_text("name: digits\n")
    texts = {"nowhere": "there is no history here", "empty": "is empty", "exp.yaml": "metaopt run exp.yaml  begins it"}
    refused(capsys, ["db", "check", where], texts[where])


# ---- export


def test_a_row_per_trial_as_csv(here, capsys):
    written("a.history")
    assert main(["db", "export", "a.history"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["state"] for row in rows] == ["completed", "failed", "running", "waiting"]
    assert [row["objective"] for row in rows] == ["0.25", "", "", ""]
    assert [row["param.kind"] for row in rows] == ['a,b\n"c"', "true", "null", ""]
    assert [row["param.x"] for row in rows] == ["0.1", "1e-300", "2.5", "0.3"]
    assert rows[0]["device"] == "core 1"
    assert float(rows[0]["ended"]) - float(rows[0]["started"]) == float(rows[0]["duration"]) == 3
    assert rows[1]["error"] == "Traceback\nboom \\udc80"


def test_a_trial_of_several_attempts_has_started_with_the_first_and_ended_with_the_last(here, capsys):
    said = [Opened("1", history.FORMAT, {**DESCRIPTION, "resumes": True}), Joined(1, "host", "core"), Suggested(({},))]
    said += [Assign(1, 0, 1, {}), Started(1, 0, 1, 7), Stop(1, 0, 1, "paused"), Finished(1, 0, 1, "stopped")]
    said += [Thawed(0, 1), Assign(1, 0, 2, {}), Started(1, 0, 2, 8), Finished(1, 0, 2, "failed", "boom")]
    written("a.history", records_of(*said))
    assert main(["export", "a.history"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert [float(row[name]) - 1e9 for name in ("started", "ended")] == [5, 11]
    trial = history.load("a.history").trials[0]
    assert (trial.started - 1e9, trial.begun - 1e9, trial.ended - 1e9) == (5, 10, 11)
    assert float(row["duration"]) == trial.duration == 2 + 1


def test_a_row_per_trial_as_jsonl_and_parquet(here):
    written("a.history")
    for name in ("a.jsonl", "a.parquet"):
        assert main(["db", "export", "a.history", "-o", name]) == 0
    rows = [json.loads(line) for line in (here / "a.jsonl").read_text().splitlines()]
    assert [row.get("param.kind", "none") for row in rows] == ['a,b\n"c"', True, None, "none"]
    assert [row["worker"] for row in rows] == [1, 2, 1, None]
    table = parquet.read_table("a.parquet").to_pylist()
    assert [row["param.kind"] for row in table] == ['a,b\n"c"', "true", None, None]
    for column in ("trial", "state", "objective", "param.x", "attempts", "worker", "started", "ended", "outside"):
        assert [row[column] for row in table] == [row[column] for row in rows], column
    assert (rows[1]["error"], table[1]["error"]) == ("Traceback\nboom \udc80", "Traceback\nboom \\udc80")
    assert sorted(path.name for path in here.iterdir()) == ["a.history", "a.jsonl", "a.parquet"]


def test_a_row_per_value_and_what_is_not_finite_survives(here, capsys):
    written("a.history")
    assert main(["db", "export", "--curves", "a.history"]) == 0
    assert capsys.readouterr().out == "trial,step,metric,value\n0,1,loss,nan\n0,1,até,-inf\n0,2.5,loss,0.25\n"
    assert main(["db", "export", "--curves", "--format", "jsonl", "a.history"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["value"] for row in rows] == ["nan", "-inf", 0.25]
    assert main(["db", "export", "--curves", "a.history", "-o", "a.parquet"]) == 0
    values = parquet.read_table("a.parquet").column("value").to_pylist()
    assert math.isnan(values[0])
    assert values[1:] == [-math.inf, 0.25]


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        ([1, 2], [1, 2], "int64"),
        ([1, 2.5], [1.0, 2.5], "double"),
        ([True, False], [True, False], "bool"),
        ([True, 1], ["true", "1"], "string"),
        ([1 << 70, 1], [str(1 << 70), "1"], "string"),
        (["a", "\udc80"], ["a", "\\udc80"], "string"),
        ([None, None], [None, None], "string"),
    ],
)
def test_a_parameter_of_any_type_fits_into_parquet(here, values, expected, kind):
    opened = facts()[0]
    store = open_store("a.history", create=True)
    params = [{"x": value} for value in values]
    store.append([*records_of(opened), Record(1, 2, 2e9, "Suggested", {"params": params})])
    store.close()
    assert main(["db", "export", "a.history", "-o", "a.parquet"]) == 0
    column = parquet.read_table("a.parquet").column("param.x")
    assert (column.to_pylist(), str(column.type)) == (expected, kind)


def test_a_file_that_is_there_is_not_replaced_without_force(here, capsys):
    written("a.history")
    (here / "a.csv").write_text("precious")
    refused(capsys, ["db", "export", "a.history", "-o", "a.csv"], "a.csv is there already", "--force")
    assert (here / "a.csv").read_text() == "precious"
    assert main(["db", "export", "a.history", "-o", "a.csv", "--force"]) == 0
    assert capsys.readouterr().out == "a.csv is written.\n"
    assert (here / "a.csv").read_text().startswith("trial,state,")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["nowhere"], "there is no history here"),
        (["a.history", "-o", "a.xls"], "its name does not say which format"),
        (["a.history", "--format", "parquet"], "-o FILE.parquet"),
        (["a.history", "-o", "no/such/a.csv"], "no/such/a.csv cannot be written: No such file or directory"),
        (["a.history", "-o", "a.history/journal.jsonl/a.csv"], "a.csv cannot be written: Not a directory"),
        (["a.history", "-o", "a.history", "--format", "csv", "--force"], "a.history cannot be written: Is a directory"),
        (["mongodb://me:secret@host/db"], "METAOPT_MONGODB_PASSWORD"),
    ],
)
def test_what_cannot_be_exported_is_refused(here, capsys, argv, text):
    written("a.history")
    before = tree(here)
    refused(capsys, ["db", "export", *argv], text)
    assert tree(here) == before


def test_without_pyarrow_it_says_what_to_install(here, capsys, monkeypatch):
    written("a.history")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(capsys, ["db", "export", "a.history", "-o", "a.parquet"], "pip install pyarrow")
    assert not (here / "a.parquet").exists()


def test_an_experiment_file_stands_for_its_history(here, capsys):
    (here / "sub").mkdir()
    (here / "sub" / "exp.yaml").write_text(yaml.safe_dump({"name": "digits", "history": "tinydb:kept.json"}))
    written(f"tinydb:{here}/sub/kept.json")
    assert main(["db", "export", "sub/exp.yaml"]) == 0
    assert capsys.readouterr().out.count("\n0,completed,") == 1


def test_a_reader_that_stops_reading_is_no_error(here):
    simulated("a.history", trials=200)
    export = subprocess.Popen(
        [sys.executable, "-m", "metaopt", "db", "export", "--curves", "a.history"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert export.stdout.readline() == b"trial,step,metric,value\n"
    export.stdout.close()
    assert export.stderr.read() == b""
    assert export.wait(60) == 0
    export.stderr.close()


def test_export_is_a_verb_by_itself_too(here, capsys):
    written("digits.history")
    assert main(["db", "export", "digits.history"]) == 0
    expected = capsys.readouterr().out
    assert main(["export", "digits.history"]) == 0
    assert capsys.readouterr().out == expected != ""
