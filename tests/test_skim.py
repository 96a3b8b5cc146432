"""A history that is skimmed says what one says that is read record by record."""

import copy
import json
import math
import pickle
import random

import pytest
from histories import records_of, simulated
from stories import loss, records, told

from metaopt.cli import main
from metaopt.errors import HistoryCorrupt, HistoryError, MetaoptError
from metaopt.history import FORMAT, Fold, replay, skimmed
from metaopt.messages import (
    Assign,
    Finished,
    Interrupted,
    Joined,
    Opened,
    Reported,
    Stop,
    Suggested,
    Thawed,
)
from metaopt.skim import Skim
from metaopt.stores.base import Record
from metaopt.stores.journal import Journal
from metaopt.stores.leveldb import LevelDB
from metaopt.stores.memory import Memory
from metaopt.wire import to_plain

NUMERIC = b"019.-+e"
ODD = ("val.loss", 'a "b"', "é", "kind", "\udce9", "$other")


def story(seed):
    """The records of two runs, to which scripts say more than they should: late words, and odd ones."""
    chance = random.Random(f"skim {seed}")
    of, goal = chance.choice(("last", "last", "best", "mean")), chance.choice(("minimize", "maximize"))
    objective = {"metric": "val.loss", "of": of, "goal": goal}
    about = {"name": "x", "objective": objective, "attempts": 2, "resumes": seed % 2 == 1}
    found = []
    for run, facts in told(f"skim {seed}", about):
        found += records(run, facts, 1e9 + 1000 * run)
        for _ in range(20):
            who = chance.randint(1, 3), chance.randint(0, 4), chance.randint(1, 3)
            values = [math.nan, math.inf, -math.inf, 1e-300, -2.5e22, chance.random(), 3]
            odd = [(chance.choice((1, 2.5)), {chance.choice(ODD): chance.choice(values)}) for _ in range(2)]
            said = chance.choice((loss(*who, chance.random()), loss(*who), loss(*who, 1.0, 2.0), Reported(*who, odd)))
            place = chance.randint(1, len(found))
            found.insert(
                place, Record(chance.choice((2, run)), 0, found[place - 1].time + 0.5, "Reported", plain(said))
            )
    return [Record(each.run, seq, each.time, each.kind, each.body) for seq, each in enumerate(found, start=1)]


def plain(fact):
    return json.loads(json.dumps(to_plain(fact)))


def kept(directory, found, seed=0):
    """A journal of these records, in batches of some."""
    chance, store = random.Random(seed), Journal(str(directory), create=True)
    left = list(found)
    while left:
        count = chance.randint(1, 9)
        store.append(left[:count])
        left = left[count:]
    store.close()
    return Journal(str(directory))


def check_same(skim, full):
    """They tell of the same study, before any curve is read, and after."""
    assert repr(skim[:3]) == repr(full[:3])
    assert (skim.study is None) == (full.study is None)
    if skim.study is not None:
        assert curves(skim.study) == curves(full.study)


def curves(study):
    return [repr([[*trial.backwards()][::-1], trial.points, trial.earlier]) for trial in study.trials.values()]


def test_whatever_is_said_the_study_is_the_same(tmp_path, monkeypatch):
    kinds, states, unread, earlier = set(), set(), 0, 0
    for seed in range(60):
        monkeypatch.setattr("metaopt.unread.WORTH", seed % 3)
        monkeypatch.setattr("metaopt.stores.journal.BLOCK_BYTES", (500, 5000)[seed % 2])
        found = story(seed)
        skim = skimmed(kept(tmp_path / str(seed), found, seed))
        trials = skim.study.trials.values()
        unread += sum(trial.unread is not None for trial in trials)
        check_same(skim, replay(Memory(found)))
        earlier += sum(trial.earlier for trial in trials)
        states |= {trial.state for trial in trials}
        kinds |= {record.kind for record in found}
    assert states >= {"running", "completed", "stopped", "failed", "paused"}
    assert kinds >= {"Thawed", "Abandoned"}
    assert unread > 100
    assert earlier > 0


def test_a_curve_that_was_looked_at_goes_on(tmp_path, monkeypatch):
    looked = 0
    for seed in range(20):
        monkeypatch.setattr("metaopt.unread.WORTH", seed % 3)
        chance, found = random.Random(seed), story(seed)
        store, skim = Journal(str(tmp_path / str(seed)), create=True), Skim(fold := Fold())
        for place in range(0, len(found), 10):
            store.append(found[place : place + 10])
            skim.read(store)
            trials = list(fold.study.trials.values()) if fold.study else []
            looked += sum(len(trial.points) for trial in trials if chance.random() < 0.2)
        store.close()
        check_same(fold.past(skim.cursor), replay(Memory(found)))
    assert looked > 100


def test_what_is_being_written_is_read_up_to_its_last_whole_batch(tmp_path):
    chance, store = random.Random(1), kept(tmp_path, story(1))
    file = tmp_path / "journal.jsonl"
    text = file.read_bytes()
    skim = Skim(fold := Fold())
    for size in sorted(chance.randint(0, len(text)) for _ in range(60)):
        file.write_bytes(text[:size])
        full = replay(store)
        check_same(skimmed(store), full)
        skim.read(store)
        assert repr(fold.study and fold.study.trials) == repr(full.study and full.study.trials)
    check_same(fold.past(skim.cursor), full)


def test_what_is_said_of_a_trial_that_is_paused_is_late(tmp_path):
    about = {"name": "x", "objective": {"metric": "loss"}, "resumes": True}
    one, two = (0, 0, 1), (0, 0, 2)
    facts = [
        *(Opened("1", FORMAT, about), Joined(0, "host", "core"), Suggested(({"x": 0},)), Assign(*one, {"x": 0})),
        *(step(one, 1), step(one, 2), Stop(*one, "paused"), step(one, 3), Finished(*one, "stopped"), step(one, 4)),
        *(Interrupted("why"), step(one, 5), Thawed(0, 1), step(one, 6), Assign(*two, {"x": 0}), step(one, 7)),
        *(step(two, 3), step(two, 4), step(one, 8), Finished(*two, "completed"), step(two, 5)),
    ]
    found = records_of(*facts)
    for count in range(1, len(found) + 1):
        directory = tmp_path / str(count)
        check_same(skimmed(kept(directory, found[:count])), replay(Memory(found[:count])))
    trial = skimmed(kept(tmp_path / "all", found)).study.trials[0]
    assert [*trial.backwards()] == [(4, {"loss": 4.0}), (3, {"loss": 3.0}), (2, {"loss": 2.0}), (1, {"loss": 1.0})]
    assert trial.earlier == 2


def step(who, number):
    return Reported(*who, ((number, {"loss": float(number)}),))


def test_a_trial_ends_with_the_last_value_of_each_metric(tmp_path):
    """Whatever they are reported with, one of them long before."""
    limits = [{"metric": "memory", "op": "<=", "bound": 3.0}, {"metric": "time", "op": "<=", "bound": 9.0}]
    about = {"name": "x", "objective": {"metric": "loss"}, "constraints": limits}
    said = [{"memory": 1.0, "loss": 9.0}, {"memory": 2.0}, {"loss": 8.0}, {"time": 5.0}, {"loss": 7.0}, {"loss": 6.0}]
    facts = [Opened("1", FORMAT, about), Joined(0, "host", "core"), Suggested(({"x": 0},)), Assign(0, 0, 1, {"x": 0})]
    facts += [Reported(0, 0, 1, ((number, values),)) for number, values in enumerate(said)]
    store = kept(tmp_path, records_of(*facts, Finished(0, 0, 1, "completed")))
    trial = skimmed(store).study.trials[0]
    assert (trial.objectives, trial.excess) == ((6.0,), (-1.0, -4.0))
    assert trial.unread is not None
    assert trial == replay(store).study.trials[0]


def test_trials_are_equal_whether_their_curves_were_read_or_not(tmp_path):
    simulated(tmp_path / "x.history")
    store = Journal(str(tmp_path / "x.history"))
    one, other = replay(store).study.trials, skimmed(store).study.trials
    assert other[3].unread
    assert one == other
    other[3].points[-1] = (4, {"loss": -1.0})
    assert one != other
    assert one[3] != 3


def test_a_trial_takes_its_own_points_along(tmp_path):
    simulated(tmp_path / "x.history")
    study = skimmed(Journal(str(tmp_path / "x.history"))).study
    sent = copy.deepcopy(study.trials[3])
    assert sent == study.trials[3]
    assert sent.unread is None
    assert len(pickle.dumps(study.trials[3])) < 3000


def test_one_may_go_on_after_a_record_in_the_middle_of_a_batch(tmp_path):
    store = kept(tmp_path, story(2))
    pairs = list(store.read())
    for index in range(0, len(pairs), 7):
        lines = b"".join(text for _, text in store.lines(pairs[index][0])).splitlines()
        assert [json.loads(line)["seq"] for line in lines] == [record.seq for _, record in pairs[index + 1 :]]


def test_lines_that_are_written_in_another_way_are_the_same(tmp_path):
    store = kept(tmp_path, story(3))
    full, file = replay(store), tmp_path / "journal.jsonl"
    file.write_text("".join(f"{json.dumps(json.loads(line))}\n" for line in file.read_text().splitlines()))
    check_same(skimmed(store), full)


def test_a_history_that_begins_with_a_report_is_none(tmp_path):
    store = kept(tmp_path, records_of(step((0, 0, 1), 1)))
    with pytest.raises(HistoryError, match="no Opened but Reported"):
        skimmed(store)


def outcome(read, store):
    """What comes of it: the study, or the error."""
    try:
        past = read(store)
    except MetaoptError as error:
        return str(error)
    return repr(past[:3]) + str(past.study and curves(past.study))


def test_damage_is_found_as_it_is_by_who_reads_everything_but_in_a_number_that_nobody_looks_at(tmp_path):
    chance, store = random.Random(4), kept(tmp_path, story(4))
    file = tmp_path / "journal.jsonl"
    text, wrong = file.read_bytes(), 0
    for _ in range(400):
        place, byte = chance.randrange(len(text)), chance.choice(NUMERIC + b'\0 "\\{}[],:\nx\xff')
        file.write_bytes(text[:place] + bytes([byte]) + text[place + 1 :])
        said = outcome(skimmed, store)
        full = outcome(replay, store)
        assert said == full or (byte in NUMERIC and "no record" in full), (place, byte)
        wrong += "no record" in said
    assert 0 < wrong < 400


def test_a_line_that_is_no_record_is_named(tmp_path):
    store = kept(tmp_path, story(5))
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write("{}\n")
    number = (tmp_path / "journal.jsonl").read_bytes().count(b"\n")
    with pytest.raises(HistoryCorrupt, match=rf"journal\.jsonl:{number}: this line is no record"):
        skimmed(store)


@pytest.mark.parametrize("verb", ["status", "best", "list", "show"])
def test_the_verbs_say_the_same(here, capsys, monkeypatch, verb):
    simulated("x.history")
    words = [verb, "x.history", *["3"] * (verb == "show")]
    assert main(words) == 0
    said = capsys.readouterr().out
    monkeypatch.setattr("metaopt.skim.Lines", LevelDB)  # a journal is none
    assert main(words) == 0
    assert capsys.readouterr().out == said
