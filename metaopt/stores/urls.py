"""URLs of servers: taken apart, and shown to people without what is secret in them."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from metaopt.errors import HistoryError

PASSWORD = "METAOPT_MONGODB_PASSWORD"  # noqa: S105 - the name of a variable
EXAMPLE = f"Write mongodb://HOST/DATABASE, or mongodb://USER@HOST/DATABASE with the password in {PASSWORD}."
_LOGIN = re.compile(r"^([a-z+]+:/+|(?![a-z+]+:/))([^:]*):(.*)@", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(r"([?&;][^=&;]*(?:pass|token|secret|properties)[^=&;]*=)[^&;#]*", re.IGNORECASE)
_ENCODED = re.compile(r"(?:[^%@:/?#\[\]]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL of a MongoDB server says: ``plain`` is all of it but the study.

    ``hosts`` is HOST:PORT[,HOST:PORT...], ``options`` are its keys, in small letters.
    """

    plain: str
    hosts: str
    user: str
    password: str
    database: str
    options: frozenset[str]
    study: str


def shown(url: str) -> str:
    """``url`` for people: each password in it is ``***``, also one that should have been percent-encoded."""
    if url.startswith(("/", ".")):
        return url
    return _SECRET.sub(r"\1***", _LOGIN.sub(r"\1\2:***@", url))


def parse(url: str) -> Address:
    """What ``url`` says; raises HistoryError, which repeats no password, when it is no mongodb:// or mongodb+srv://."""
    plain, _, study = url.partition("#")
    scheme, slashes, rest = plain.partition("://")
    if not slashes or scheme not in {"mongodb", "mongodb+srv"}:
        problem = f"{shown(url)}: this is no URL of a MongoDB server"
        raise HistoryError(problem, EXAMPLE)
    authority, _, path = rest.partition("?")[0].partition("/")
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    after = url[len(scheme) + 3 + len(authority) :]
    if "@" in after or not (_ENCODED.fullmatch(user) and _ENCODED.fullmatch(password)):
        problem = f"{shown(url)}: characters in the user or the password are not percent-encoded"
        hint = f"Of : / ? # [ ] @ % write %3A %2F %3F %23 %5B %5D %40 %25, or put the password in {PASSWORD}."
        raise HistoryError(problem, hint)
    if not hosts or not path:
        problem = f"{shown(url)}: the URL names no {'database' if hosts else 'host'}"
        raise HistoryError(problem, EXAMPLE)
    options = frozenset(option.partition("=")[0].lower() for option in re.split("[&;]", rest.partition("?")[2]))
    return Address(plain, hosts, unquote(user), unquote(password), unquote(path), options, unquote(study))
