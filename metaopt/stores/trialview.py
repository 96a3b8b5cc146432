"""A history in MongoDB, to a row per trial: the pipeline of the view ``trials``.

A row has study, trial, state, params, objective, objectives, excess, feasible, attempts, worker, run, started, ended,
duration, error and usage.  It says what ``metaopt.history`` says, except:

- ``run`` is the one that has begun the trial last, or else has proposed it, not the one that has taken it over since;
- the error of a trial without a value does not list what it has reported instead; text that is no Unicode is in JSON;
- a mean may differ in its last digit;
- what a worker says after it was given up counts as if it had been in time, if it is in the history at all.

All studies of the database are looked through each time, so it is for a person, not for a program that polls.
"""

import math

from metaopt.stores.expressions import (
    Expression,
    a_list,
    at,
    date,
    equal,
    finite,
    first_of,
    switch,
    text,
    when,
    window,
)


def trials() -> list[Expression]:
    """Facts in their order, to what they say of each trial, to how each of its attempts has ended, to its state."""
    return [*_in_order(), *_of_trials(), *_attempts(), *_result()]


FIELDS = (
    *("run", "kind", "time", "worker", "trial", "attempt", "outcome", "error", "ended", "reason", "why"),
    *("host", "lost", "alone", "runs", "points", "usage"),
)


def _in_order() -> list[Expression]:
    """A document for each fact: with the trials before it, what is searched for, and when its worker is lost."""
    about: Expression = {name: f"$facts.{name}" for name in FIELDS}
    about |= {
        "study": "$_id.study",
        "order": {"$add": [{"$multiply": ["$_id.n", 1 << 20]}, "$index"]},
        "new": when(equal("$facts.kind", "Suggested"), {"$ifNull": ["$facts.params", []]}, [None]),
        "goals": _goals("$facts.experiment.objective", a_list("$facts.experiment.constraints")),
        "limit": "$facts.experiment.attempts",
        "resumes": "$facts.experiment.resumes",
    }
    gone = {"order": "$order", "time": "$time", "kind": "$kind", "why": {"$ifNull": ["$why", "joined anew"]}}
    whole = {"documents": ["unbounded", "current"]}
    is_new = equal("$kind", "Suggested")
    return [
        {"$unwind": {"path": "$facts", "includeArrayIndex": "index"}},
        {"$replaceWith": about},
        window(
            {"study": "$study", "run": "$run", "worker": "$worker"},
            host={"$locf": "$host"},
            gone={
                "$min": when({"$in": ["$kind", ["Lost", "Joined", "StoodDown"]]}, gone, None),
                "window": {"documents": [1, "unbounded"]},
            },
        ),
        window(
            "$study",
            before={"$sum": when(is_new, {"$size": "$new"}, 0), "window": {"documents": ["unbounded", -1]}},
            goals={"$first": "$goals", "window": whole},
            limit={"$locf": "$limit"},
            resumes={"$locf": "$resumes"},
        ),
        {"$unwind": {"path": "$new", "includeArrayIndex": "nth"}},
        {"$set": {"trial": when(is_new, {"$add": ["$before", "$nth"]}, "$trial")}},
    ]


def _of_trials() -> list[Expression]:
    """A document for each trial: what was said of it, and, in ``overs``, which runs have ended."""
    names = ("order", "time", "attempt")
    said = {
        "assigns": ("Assign", ("worker", "run", "gone", "host", "limit", "resumes")),
        "starts": ("Started", ()),
        "stops": ("Stop", ("reason",)),
        "ends": ("Finished", ("outcome", "error", "ended", "usage")),
        "thaws": ("Thawed", ()),
        "leaves": ("Abandoned", ()),
    }
    about: Expression = {
        to: {"$push": when(equal("$kind", kind), {name: f"${name}" for name in (*names, *more)}, "$$REMOVE")}
        for to, (kind, more) in said.items()
    }
    curves = {"$map": {"input": "$goals.measures", "as": "measure", "in": _curve()}}
    report = {"attempt": "$attempt", "first": at(at("$points", 0), 0), "curves": curves}
    over = {name: f"${name}" for name in ("order", "time", "kind", "run", "runs", "lost", "alone")}
    about |= {
        "params": {"$first": "$new"},
        "run": {"$first": "$run"},
        "goals": {"$first": "$goals"},
        "reports": {"$push": when(equal("$kind", "Reported"), report, "$$REMOVE")},
        "overs": {"$push": when({"$in": ["$kind", ["Opened", "Closed", "Adopted"]]}, over, "$$REMOVE")},
    }
    return [
        {"$group": {"_id": {"study": "$study", "trial": {"$ifNull": ["$trial", None]}}, **about}},
        {
            "$setWindowFields": {
                "partitionBy": "$_id.study",
                "sortBy": {"_id.trial": 1},  # what is of no trial comes first
                "output": {"overs": {"$first": "$overs", "window": {"documents": ["unbounded", "current"]}}},
            }
        },
        {"$match": {"_id.trial": {"$ne": None}}},
    ]


def _goals(objective: Expression, constraints: Expression) -> Expression:
    """The constraints, how many objectives there are, and what is measured of a trial for both, in this order."""
    objectives = when({"$isArray": [objective]}, objective, [objective])
    metric = {"metric": "$$constraint.metric"}
    measured = {"$ifNull": [first_of("$$objectives", equal("$$this.metric", "$$constraint.metric")), metric]}
    more = {"$map": {"input": "$$constraints", "as": "constraint", "in": measured}}
    goals = {
        "measures": {"$concatArrays": ["$$objectives", more]},
        "constraints": "$$constraints",
        "objectives": {"$size": "$$objectives"},
    }
    return {"$let": {"vars": {"objectives": objectives, "constraints": constraints}, "in": goals}}


def _curve() -> Expression:
    """The steps and values of what is to be measured, of one Reported."""
    values = when({"$eq": [{"$type": at("$$point", 1)}, "object"]}, {"$objectToArray": at("$$point", 1)}, [])
    ours = first_of(values, equal("$$this.k", "$$measure.metric"))
    number = {"$convert": {"input": {"$getField": {"field": "v", "input": ours}}, "to": "double", "onError": math.nan}}
    points = {"$map": {"input": a_list("$points"), "as": "point", "in": {"step": at("$$point", 0), "value": number}}}
    return {"$filter": {"input": points, "cond": {"$ne": ["$$this.value", None]}}}


def _attempts() -> list[Expression]:
    """How each attempt has ended: what it was Finished with, lost (with its worker or its node), cut (with its run)."""
    mine = equal("$$this.attempt", "$$a.attempt")
    ends_it = {
        "$or": [
            {"$and": [equal("$$this.kind", "Opened"), {"$ne": ["$$this.alone", False]}]},
            {"$and": [equal("$$this.kind", "Closed"), equal("$$this.run", "$$a.run")]},
            {"$and": [equal("$$this.kind", "Adopted"), {"$in": ["$$a.run", a_list("$$this.runs")]}]},
        ]
    }
    known: Expression = {
        "end": first_of("$ends", mine),
        "stop": first_of("$stops", mine),
        "start": {"$last": {"$filter": {"input": "$starts", "cond": mine}}},
        "over": first_of(a_list("$overs"), {"$and": [{"$gt": ["$$this.order", "$$a.order"]}, ends_it]}),
        "after": switch([(first_of("$thaws", mine), "waiting"), (first_of("$leaves", mine), "stopped")], "paused"),
        "first": {"$getField": {"field": "first", "input": first_of("$reports", mine)}},
    }
    about = {
        "attempt": "$$a.attempt",
        "worker": "$$a.worker",
        "run": "$$a.run",
        "limit": {"$ifNull": ["$$a.limit", 2]},
        "resumes": "$$a.resumes",
        "stop": "$$stop.reason",
        "after": "$$after",
        "first": "$$first",
        "started": {"$ifNull": ["$$start.time", "$$a.time"]},
    }
    made = {"$let": {"vars": known, "in": {"$mergeObjects": [about, _outcome()]}}}
    return [
        {"$set": {"tries": {"$map": {"input": "$assigns", "as": "a", "in": made}}}},
        {"$set": {"last": {"$last": "$tries"}}},
    ]


def _outcome() -> Expression:
    """How the attempt ``a`` has ended, given what is known of its ``end``, and when its run was ``over``."""
    node = at({"$split": ["$$a.host", "."]}, 0)
    lost = {"$and": ["$$a.gone", {"$or": [{"$not": "$$over"}, {"$lt": ["$$a.gone.order", "$$over.order"]}]}]}
    unbegun = {"$and": [lost, {"$in": ["$$a.gone.kind", ["StoodDown", "Joined"]]}, {"$not": "$$start"}]}
    how = [
        ("$$end", {"how": "$$end.outcome", **{n: f"$$end.{n}" for n in ("time", "error", "ended", "usage")}}),
        (unbegun, {"how": "cut", "time": "$$a.gone.time", "error": ""}),
        (lost, {"how": "lost", "time": "$$a.gone.time", "error": _lost("$$a.gone.why")}),
        (
            {"$in": [node, a_list("$$over.lost")]},
            {"how": "lost", "time": "$$over.time", "error": _lost("its node died")},
        ),
        ("$$over", {"how": "cut", "time": "$$over.time", "error": ""}),
    ]
    return switch(how, {"how": "none"})


def _result() -> list[Expression]:
    """The values of each trial, its state, and a row of all that."""
    numbers = {"$range": [0, {"$size": "$goals.measures"}]}
    worth = {"$map": {"input": {"$slice": ["$values", "$goals.objectives"]}, "in": "$$this.value"}}
    completed = equal("$state", "completed")
    steps: list[Expression] = [
        {"values": {"$map": {"input": numbers, "as": "n", "in": _measured()}}},
        {"flaw": first_of("$values", {"$not": [finite("$$this.value")]})},
        {"state": _state(), "until": _until("$last"), "saved": _saved()},
        {"objectives": when(completed, worth, []), "excess": when(completed, _excess(), [])},
    ]
    return [*({"$set": step} for step in steps), {"$replaceWith": _row()}, {"$sort": {"_id": 1}}]


def _until(attempt: str) -> Expression:
    """When an attempt ended."""
    time, started = f"{attempt}.time", f"{attempt}.started"
    return {"$min": [time, {"$max": [{"$ifNull": [f"{attempt}.ended", time]}, started]}]}


def _saved() -> Expression:
    """How long those attempts were of which another went on where they stopped, since one began from nothing."""
    stopped = {"$or": [equal("$$this.stop", "paused"), {"$and": ["$$this.resumes", {"$gt": ["$$this.stop", None]}]}]}
    anew = {"$max": {"$map": {"input": "$tries", "in": when("$$this.resumes", 0, "$$this.attempt")}}}
    since = {"$gte": ["$$this.attempt", anew]}
    earlier = {"$and": [{"$lt": ["$$this.attempt", "$last.attempt"]}, since, stopped]}
    took = {"$subtract": [_until("$$this"), "$$this.started"]}
    return {"$sum": {"$map": {"input": {"$filter": {"input": "$tries", "cond": earlier}}, "in": took}}}


def _state() -> Expression:
    """Where the trial stands, given its ``flaw``, if it has one."""
    losses = {"$size": {"$filter": {"input": "$tries", "cond": {"$in": ["$$this.how", ["lost", "killed"]]}}}}
    again = switch(
        [(equal("$last.stop", "pruned"), "stopped"), (equal("$last.stop", "paused"), "$last.after")], "waiting"
    )
    given_back = {"$or": [{"$lt": [losses, "$last.limit"]}, {"$gt": ["$last.stop", None]}]}
    states = [
        ({"$not": "$last"}, "waiting"),
        (equal("$last.how", "none"), when({"$gt": ["$last.stop", None]}, "stopping", "running")),
        (equal("$last.how", "completed"), when({"$not": ["$flaw"]}, "completed", "failed")),
        (equal("$last.how", "failed"), "failed"),
        ({"$in": ["$last.how", ["stopped", "cut"]]}, again),
    ]
    return switch(states, when(given_back, again, "failed"))


def _row() -> Expression:
    """All that is known of the trial."""
    has_ended = {"$in": ["$state", ["completed", "failed", "stopped", "paused"]]}  # of paused ones, the attempt
    holds = {"$not": [{"$gt": [{"$max": "$excess"}, 0]}]}
    return {
        "_id": "$_id",
        "study": "$_id.study",
        "trial": "$_id.trial",
        "state": "$state",
        "params": "$params",
        "objective": {"$ifNull": [at("$objectives", 0), None]},
        "objectives": "$objectives",
        "excess": "$excess",
        "feasible": {"$and": [equal("$state", "completed"), holds]},
        "attempts": {"$ifNull": ["$last.attempt", 0]},
        "worker": when(equal("$state", "waiting"), None, "$last.worker"),
        "run": {"$ifNull": ["$last.run", "$run"]},
        "started": date(at("$tries.started", 0)),
        "ended": when(has_ended, date("$until"), None),
        "duration": when(has_ended, {"$add": ["$saved", {"$subtract": ["$until", "$last.started"]}]}, None),
        "error": when(equal("$state", "failed"), _error(), ""),
        "usage": {"$ifNull": ["$last.usage", {}]},
    }


def _excess() -> Expression:
    """By how much the trial exceeds each constraint."""
    number = {"$add": ["$goals.objectives", "$$n"]}
    difference = {"$subtract": ["$$value", "$$constraint.bound"]}
    signed = when(equal("$$constraint.op", "<="), difference, {"$multiply": [-1, difference]})
    known = {
        "constraint": {"$arrayElemAt": ["$goals.constraints", "$$n"]},
        "value": {"$getField": {"field": "value", "input": {"$arrayElemAt": ["$values", number]}}},
    }
    numbers = {"$range": [0, {"$size": "$goals.constraints"}]}
    return {"$map": {"input": numbers, "as": "n", "in": {"$let": {"vars": known, "in": signed}}}}


def _measured() -> Expression:
    """The metric that is measured as the ``n``-th, and its value."""
    measure = {"measure": {"$arrayElemAt": ["$goals.measures", "$$n"]}}
    return {"$let": {"vars": measure, "in": {"metric": "$$measure.metric", "value": _value()}}}


def _value() -> Expression:
    """What ``measure`` comes to: the last, best or mean value of the points that count."""
    mine = {"$arrayElemAt": ["$$r.curves", "$$n"]}
    later = {"$filter": {"input": "$tries", "cond": {"$gt": ["$$this.attempt", "$$r.attempt"]}}}
    upto = {"$ifNull": [{"$min": {"$map": {"input": later, "in": "$$this.first"}}}, math.inf]}
    kept = {"$filter": {"input": mine, "cond": {"$lt": ["$$this.step", "$$upto"]}}}
    inherited = {"$let": {"vars": {"upto": upto}, "in": kept}}
    curve = switch([(equal("$$r.attempt", "$last.attempt"), mine), ("$last.resumes", inherited)], [])
    values = {
        "$reduce": {
            "input": {"$map": {"input": "$reports", "as": "r", "in": curve}},
            "initialValue": [],
            "in": {"$concatArrays": ["$$value", "$$this.value"]},
        }
    }
    known = {"$filter": {"input": "$$values", "cond": finite("$$this")}}
    least = when(equal("$$measure.goal", "maximize"), {"$max": known}, {"$min": known})
    kinds = [
        (equal("$$values", []), None),
        (equal("$$measure.of", "mean"), when(equal("$$values", known), {"$avg": "$$values"}, math.nan)),
        (equal("$$measure.of", "best"), {"$ifNull": [least, math.nan]}),
    ]
    return {"$let": {"vars": {"values": values}, "in": switch(kinds, {"$last": "$$values"})}}


def _error() -> Expression:
    """Why it failed."""
    absent = {"$concat": ["it ended without reporting ", "$flaw.metric", "\n", text("$last.error")]}
    number = {"$replaceAll": {"input": {"$toLower": "$flaw.value"}, "find": "infinity", "replacement": "inf"}}
    not_finite = {"$concat": ["its ", "$flaw.metric", " is ", number, "\n", text("$last.error")]}
    completed = when({"$gt": ["$flaw.value", None]}, not_finite, absent)
    return {"$trim": {"input": when(equal("$last.how", "completed"), completed, text("$last.error"))}}


def _lost(why: Expression) -> Expression:
    return {"$concat": ["worker ", {"$toString": "$$a.worker"}, " was lost with it: ", why]}
