"""What people see of a history in MongoDB: two views over it, ``facts`` and ``trials``.

``facts`` is a document for each fact, with a date; ``trialview.py`` says what ``trials`` is.
"""

from typing import Any

from pymongo.errors import ConnectionFailure, OperationFailure

from metaopt.stores.expressions import Expression, date
from metaopt.stores.trialview import trials

NAME = "history"
EXISTS = 48


def make_views(database: Any) -> bool:  # noqa: ANN401 - a pymongo Database
    """Make the views, or bring them up to date; False when the server was away.

    Where they are not allowed, or another program has a collection of that name, there are none.
    """
    try:
        for name, pipeline in (("facts", _facts()), ("trials", trials())):
            _make(database, name, pipeline)
    except ConnectionFailure:
        return False
    except OperationFailure:
        pass
    return True


def _make(database: Any, name: str, pipeline: list[Expression]) -> None:  # noqa: ANN401 - a pymongo Database
    view = {"viewOn": NAME, "pipeline": pipeline}
    try:
        database.command({"create": name, **view})
    except OperationFailure as error:
        if error.code != EXISTS:
            raise
        for there in database.list_collections(filter={"name": name}):
            if there["options"].get("viewOn") == NAME:
                database.command({"collMod": name, **view})


def _facts() -> list[Expression]:
    first = {
        "_id": {"study": "$_id.study", "n": "$_id.n", "index": "$index"},
        "study": "$_id.study",
        "run": "$facts.run",
        "seq": "$facts.seq",
        "time": None,
    }
    return [
        {"$unwind": {"path": "$facts", "includeArrayIndex": "index"}},
        {"$replaceWith": {"$mergeObjects": [first, "$facts", {"time": date("$facts.time")}]}},
    ]
