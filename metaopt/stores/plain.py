"""A record as a line of JSON that a person and other programs can read, and back."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from metaopt.stores.base import Record

_WHOLE, _TEXT = rb"(?:0|[1-9]\d*+)", rb'"[ !#-\[\]-~]*+"'
_NUMBER = rb"-?" + _WHOLE + rb"(?:\.\d++)?+(?:e[+-]?\d++)?+"
_VALUE = _TEXT + rb":(?:" + _NUMBER + rb'|"(?:nan|-?inf)")'
_POINT = rb"\[" + _NUMBER + rb",\{" + _VALUE + rb"(?:," + _VALUE + rb")*+\}\]"
LINES = re.compile(
    rb'\{"run":(%b),"seq":%b,"time":(%b),"kind":"Reported","body":' % (_WHOLE, _WHOLE, _NUMBER)
    + rb'\{("worker":%b,"trial":%b,"attempt":%b),"points":(\[%b(?:,%b)*+\])\}' % (*[_WHOLE] * 3, *[_POINT] * 2)
    + rb'(?:,"more":true)?+\}\n|(.*\n)'
)
"""Lines, of which each is a Reported as ``encode`` writes it (run, time, who says it, points), or another.

Whatever is a Reported by this pattern is one, and valid JSON; one that is written in another way is another line."""
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def to_plain(record: Record) -> dict[str, Any]:
    """The fields of ``record`` by their names."""
    return {"run": record.run, "seq": record.seq, "time": record.time, "kind": record.kind, "body": record.body}


def from_plain(plain: Mapping[str, Any]) -> Record:
    """The record whose fields these are; raises TypeError or KeyError when they are no record's."""
    return Record(plain["run"], plain["seq"], plain["time"], plain["kind"], plain["body"])


def encode(plain: object) -> bytes:
    """JSON, a text in UTF-8 without a line break; what is no Unicode stays what it was."""
    return _JSON.encode(plain).encode(errors="backslashreplace")


def parse(texts: Sequence[bytes]) -> list[Any]:
    """What each of ``texts`` says, None when it is no JSON; together they take half the time that they take alone."""
    try:
        plains = json.loads(b"[%b]" % b",".join(texts))
    except ValueError:
        plains = []
    return plains if len(plains) == len(texts) else [_parse_alone(text) for text in texts]


def _parse_alone(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text)
    except ValueError:
        return None
