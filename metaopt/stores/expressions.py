"""What MongoDB computes, a function for each kind of expression."""

import math
from typing import Any, TypeAlias

Expression: TypeAlias = Any
"""What MongoDB computes: nested dicts, lists and texts, a ``$name`` being a field and a ``$$name`` a variable."""


def finite(value: Expression) -> Expression:
    """Whether ``value`` is a number, and neither NaN nor infinite."""
    return {"$and": [{"$gt": [value, -math.inf]}, {"$lt": [value, math.inf]}]}


def window(partition: Expression, **output: Expression) -> Expression:
    """``output`` is computed over the documents of each ``partition``, in their order."""
    return {"$setWindowFields": {"partitionBy": partition, "sortBy": {"order": 1}, "output": output}}


def switch(cases: list[tuple[Expression, Expression]], default: Expression) -> Expression:
    """The first of ``cases`` (condition, value) that holds, or else ``default``."""
    return {"$switch": {"branches": [{"case": case, "then": then} for case, then in cases], "default": default}}


def when(condition: Expression, then: Expression, otherwise: Expression) -> Expression:
    """One or the other."""
    return {"$cond": [condition, then, otherwise]}


def equal(value: Expression, other: Expression) -> Expression:
    """Whether they are the same."""
    return {"$eq": [value, other]}


def at(array: Expression, index: int) -> Expression:
    """An element of what may be no array: then null."""
    return when({"$isArray": [array]}, {"$arrayElemAt": [array, index]}, None)


def a_list(value: Expression) -> Expression:
    """``value``, if it is an array; else an empty one."""
    return when({"$isArray": [value]}, value, [])


def first_of(array: Expression, condition: Expression) -> Expression:
    """The first element, ``$$this``, for which ``condition`` holds."""
    return {"$first": {"$filter": {"input": array, "cond": condition}}}


def text(value: Expression) -> Expression:
    """``value``, or an empty text."""
    return {"$ifNull": [value, ""]}


def date(seconds: Expression) -> Expression:
    """Seconds since the epoch as a date; null stays null."""
    return {"$convert": {"input": {"$multiply": [seconds, 1000]}, "to": "date", "onError": None, "onNull": None}}
