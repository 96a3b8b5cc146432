"""metaopt stop: end a run now, and well, from outside: as Ctrl-C in its terminal would."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser, of_a_history, seconds

if TYPE_CHECKING:
    from metaopt.location import Location

EPILOG = """  metaopt stop exp.yaml
  metaopt stop --wait 10m        # waits so long until it has ended; default: 60s

Scripts are asked to end and have their grace period; what they did is interrupted, not failed, and the
same command that began the run goes on with it.  Only on the host that rank 0 runs on.
Of several experiments in one allocation it ends all, and names them; one that metaoptd runs:  metaopt queue --cancel N
Exit status: 0 it has ended, 1 not within that time, 2 there is no run here that can be stopped."""
PAUSE = 0.1


def parser() -> Parser:
    """Its command line."""
    made = of_a_history("stop", __doc__, EPILOG)
    made.add_argument("--wait", type=seconds, default=60.0, metavar="TIME", help="how long to wait; default: 60s")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import chosen, claim_of, say  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import LaunchError  # noqa: PLC0415 - the same
    from metaopt.stores.claim import holder  # noqa: PLC0415 - the same

    location = chosen(options.history)
    _refuse_queued(location)
    path = claim_of(location)
    if path is None:
        problem = f"{location}: who writes to a history on a server is not known here"
        raise LaunchError(problem, "Type  kill -USR1 PID  on the host of the run's mpirun, or scancel --signal=USR1.")
    who = holder(path)
    if not who:
        with location.opened():  # is there a history at all
            problem = f"{location}: no run is at it"
        raise LaunchError(problem, "metaopt status  tells how it stands.")
    if not who["here"]:
        problem = f"{location}: its run is process {who.get('pid')} on {who.get('host')}, not on this host"
        raise LaunchError(problem, f"Type  ssh {who.get('host')} kill -USR1 {who.get('pid')}")
    if others := _others(location, who):
        say(f"process {who['pid']} runs others too, which end with it: {', '.join(others)}")
    try:
        os.kill(who["pid"], signal.SIGUSR1)
    except ProcessLookupError:
        pass  # it has just ended
    except PermissionError:
        problem = f"process {who['pid']} is somebody else's"
        raise LaunchError(problem, "Whoever began the run can stop it.") from None
    until = time.monotonic() + options.wait
    while holder(path).get("began") == who.get("began"):
        if time.monotonic() > until:
            say(f"asked process {who['pid']} to end; it has not done so within {options.wait:g} s")
            return 1
        time.sleep(PAUSE)
    say(f"{location}: the run of process {who['pid']} has ended; the same command as before goes on with it")
    return 0


def _others(location: "Location", who: Mapping[str, object]) -> Sequence[str]:
    """The other histories, here or beside this one, that its run writes to."""
    from metaopt.cli.base import claim_of  # noqa: PLC0415 - help needs nothing of this
    from metaopt.stores.claim import holder  # noqa: PLC0415 - the same
    from metaopt.studies import below  # noqa: PLC0415 - the same

    beside = [*([location.path.parent] if location.path else []), Path()]  # what is here has a shorter name
    there = {each.place: each for where in beside for each in below(where, depth=1)}
    claims = [(str(each), claim_of(each)) for place, each in there.items() if place != location.place]
    return [name for name, claim in claims if claim is not None and _is_one(holder(claim), who)]


def _is_one(a: Mapping[str, object], b: Mapping[str, object]) -> bool:
    """Whether two claims are of one process, which may have made them one after the other."""
    return all(a.get(key) == b.get(key) for key in ("host", "namespace", "pid", "began"))


def _refuse_queued(location: "Location") -> None:
    """Raise LaunchError for one that metaoptd runs: the word that ends it would end all others with it."""
    from metaopt.errors import LaunchError, QueueError  # noqa: PLC0415 - help needs nothing of this
    from metaopt.spool import Spool, Standing, place  # noqa: PLC0415 - the same

    path = place(None, os.environ)
    try:
        entries = Spool(path).entries() if path.is_dir() else []
    except QueueError:
        return
    home = str(location.path.absolute()) if location.path else location.url
    for entry in entries:
        if entry.standing is Standing.RUNNING and entry.what is not None and entry.what.history == home:
            problem = f"{location}: metaoptd runs it, as {entry.number} in the queue"
            raise LaunchError(problem, f"metaopt queue --cancel {entry.number}  ends it, and nothing else.")
