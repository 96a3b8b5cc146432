"""A record as a part of a MongoDB document that a person can read, and back, exactly."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bson import encode
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.int64 import Int64

from metaopt.stores import plain
from metaopt.stores.base import Record

FULL_BYTES = 12 << 20
DEEP = 80
_OURS = frozenset({"run", "seq", "time", "kind", "json"})
_SIMPLE = (float, bool, type(None))


class _Integer(TypeDecoder):
    """An int64 is an int like any other."""

    bson_type = Int64

    def transform_bson(self, value: int) -> int:
        """The int."""
        return int(value)


CODEC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, type_registry=TypeRegistry([_Integer()]))


def to_fact(record: Record) -> dict[str, Any]:
    """``record`` as a document whose fields are those of its body.

    Of a body that BSON cannot hold (integers beyond 64 bits, text that is no Unicode, ...), the whole is in the field
    ``json``, and that counts; the fields beside it are as much of it as can be seen.
    """
    about = {"run": record.run, "seq": record.seq, "time": record.time, "kind": record.kind}
    if _fits(record.body, DEEP) and not _OURS & record.body.keys():
        return {**about, **record.body}
    return {**_seen(record.body, DEEP), **about, "json": plain.encode(record.body).decode()}


def from_fact(fact: Mapping[str, Any]) -> Record:
    """The record; raises TypeError, KeyError or ValueError when it is none."""
    body = {name: value for name, value in fact.items() if name not in _OURS}
    return Record(
        fact["run"], fact["seq"], fact["time"], fact["kind"], json.loads(fact["json"]) if "json" in fact else body
    )


def packed(records: Sequence[Record]) -> Iterator[list[dict[str, Any]]]:
    """``records`` as facts, as many together as one document takes."""
    facts: list[dict[str, Any]] = []
    size = 0
    for record in records:
        fact = to_fact(record)
        bytes_ = len(encode(fact))
        if facts and size + bytes_ > FULL_BYTES:
            yield facts
            facts, size = [], 0
        facts.append(fact)
        size += bytes_ + 16
    if facts:
        yield facts


def _seen(value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON
    """``value`` with JSON texts in the places of those parts that do not fit."""
    if _fits(value, depth):
        return value
    if isinstance(value, list | tuple) and depth > 0:
        return [_seen(part, depth - 1) for part in value]
    if isinstance(value, Mapping) and depth > 0:
        return {key: _seen(part, depth - 1) for key, part in value.items() if _is_key(key)}
    return plain.encode(value).decode()


def _fits(value: object, depth: int) -> bool:
    """Whether BSON gives ``value`` back as JSON does; servers take documents up to 100 deep."""
    kind = type(value)
    if kind in _SIMPLE:
        return True
    if kind is int:
        return -(1 << 63) <= value < 1 << 63  # type: ignore[operator]  # it is an int
    if kind is str:
        return _is_unicode(value)  # type: ignore[arg-type]  # it is a str
    if isinstance(value, list | tuple):
        return depth > 0 and all(_fits(part, depth - 1) for part in value)
    if isinstance(value, Mapping):
        return depth > 0 and all(_is_key(key) and _fits(part, depth - 1) for key, part in value.items())
    return False


def _is_key(key: object) -> bool:
    """A string; none that ends at a zero byte, or that makes a reference of what it is in."""
    return type(key) is str and "\0" not in key and key != "$ref" and _is_unicode(key)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
