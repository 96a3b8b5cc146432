"""The contract of a transport, seen from rank 0: what real workers and virtual ones have in common.

``check_hub`` is handed a hub with at least three workers that nobody has spoken to; each trial's script reports
``loss=1`` a few times, some hundredths of a second apart, as long as it is let.
"""

from collections.abc import Callable, Iterator

from metaopt.messages import Assign, Event, Finished, Joined, Lost, Release, Reported, Started, Stop
from metaopt.transports.base import Hub

PATIENCE = 60.0


def check_hub(hub: Hub, workers: int, kill: Callable[[int], None]) -> None:
    """Raise AssertionError where ``hub`` breaks a promise; ``kill`` ends a worker's process without a word."""
    heard = _Heard(hub)
    _everybody_joins_once(heard, workers)
    _a_trial_tells_its_story_in_order(heard, hub)
    _a_stopped_trial_ends_as_stopped(heard, hub)
    _a_death_is_told_once_and_nothing_more_is_heard(heard, hub, kill)
    _nothing_is_heard_when_nobody_speaks(hub)
    for worker in range(1, workers + 1):
        hub.send(Release(worker))
    hub.close()


class _Heard:
    """What has been heard, one event at a time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._events: list[Event] = []

    def until(self, *kinds: type[Event]) -> Iterator[Event]:
        """The events up to and with one of these kinds."""
        deadline = self._hub.now() + PATIENCE
        while True:
            while not self._events:
                assert self._hub.now() < deadline, f"no {kinds} within {PATIENCE} s"
                self._events = self._hub.receive(min(self._hub.now() + 1.0, deadline))
            event = self._events.pop(0)
            yield event
            if isinstance(event, kinds):
                return


def _everybody_joins_once(heard: _Heard, workers: int) -> None:
    joined = [event.worker for _ in range(workers) for event in heard.until(Joined) if isinstance(event, Joined)]
    assert sorted(joined) == list(range(1, workers + 1))


def _a_trial_tells_its_story_in_order(heard: _Heard, hub: Hub) -> None:
    hub.send(Assign(1, 0, 1, {"x": 0.5}))
    story = list(heard.until(Finished))
    assert isinstance(story[0], Started)
    assert story[-1] == Finished(1, 0, 1, "completed")
    points = [point for event in story if isinstance(event, Reported) for point in event.points]
    assert [step for step, _ in points] == list(range(1, len(points) + 1))
    assert all(values == {"loss": 1.0} for _, values in points)
    assert points


def _a_stopped_trial_ends_as_stopped(heard: _Heard, hub: Hub) -> None:
    hub.send(Assign(2, 1, 3, {"x": 0.5}))
    list(heard.until(Started))
    hub.send(Stop(2, 1, 2, "pruned"))  # about an earlier attempt: not heeded
    list(heard.until(Reported))
    hub.send(Stop(2, 1, 3, "pruned"))
    assert list(heard.until(Finished))[-1] == Finished(2, 1, 3, "stopped")


def _a_death_is_told_once_and_nothing_more_is_heard(heard: _Heard, hub: Hub, kill: Callable[[int], None]) -> None:
    hub.send(Assign(3, 2, 1, {"x": 0.5}))
    list(heard.until(Started))
    kill(3)
    lost = list(heard.until(Lost))[-1]
    assert isinstance(lost, Lost)
    assert lost.worker == 3  # noqa: PLR2004 - the one that was killed
    hub.send(Assign(3, 3, 1, {"x": 0.5}))  # nobody is there to hear it
    hub.send(Assign(1, 4, 1, {"x": 0.5}))
    for event in heard.until(Finished):
        assert not isinstance(event, Lost)
        assert event.worker == 1  # type: ignore[union-attr] # only workers speak here


def _nothing_is_heard_when_nobody_speaks(hub: Hub) -> None:
    until = hub.now() + 0.05
    assert hub.receive(until) == []
    assert hub.now() >= until
