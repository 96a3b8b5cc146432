"""A record as a line of JSON that a person and other programs can read, and back."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from metaopt.stores.base import Record

_COUNT, _NUMBER = rb"[0-9]++", rb"[-+.0-9e]++"
_VALUE = rb'"[ !#-\[\]-~]*+":(?:%b|"(?:nan|-?inf)")' % _NUMBER
_POINT = rb"\[%b,\{%b(?:,%b)*+\}\]" % (_NUMBER, _VALUE, _VALUE)
_REPORTED = (
    rb'\{"run":\1,"seq":%b,"time":(%b),"kind":"Reported","body":\{"worker":%b,"trial":%b,"attempt":%b,'
    rb'"points":\[%b(?:,%b)*+\]\}(?:,"more":true)?+\}\n'
) % (_NUMBER, _NUMBER, _COUNT, _COUNT, _COUNT, _POINT, _POINT)
LINES = re.compile(rb'(?=\{"run":(%b),)((?:%b)+)|(.*\n)' % (_COUNT, _REPORTED))
"""Lines that are Reporteds of one run as ``encode`` writes them (run, they, the time of the last), or another line.

What is a Reported by this is one, if its numbers are numbers; one that is written in another way is another line.
The group of a line is not possessive: Python 3.11.2 takes the half of one that does not match for matched."""
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
