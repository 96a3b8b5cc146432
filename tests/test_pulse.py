"""Who has been silent for too long, on a clock of the test's own; and who is heard although it has nothing to say."""

import threading
import time

from running import until

from metaopt.transports.heart import BEATS, STALLS, Heart
from metaopt.transports.pulse import Pulse


def listen(pulse, start, seconds, speakers=(), pause=0.5):
    """Look every ``pause`` seconds while ``speakers`` speak; those who were found silent, in that order."""
    found, now = [], start
    while now < start + seconds:
        now += pause
        pulse.look(now)
        for rank in speakers:
            pulse.heard(rank)
        found += pulse.silent()
    return found


def test_who_speaks_is_not_silent_and_who_does_not_is_told_once():
    pulse = Pulse((1, 2, 3), timeout=10, now=100)
    assert listen(pulse, 100, 9, {1}) == []
    assert listen(pulse, 109, 30, {1}) == [2, 3]
    assert listen(pulse, 139, 30, {1}) == []
    assert listen(pulse, 169, 30) == [1]


def test_time_in_which_nobody_listened_does_not_count():
    pulse = Pulse((1,), timeout=10, now=0)
    pulse.look(3600)
    assert pulse.silent() == []
    assert listen(pulse, 3600, 8) == []
    assert listen(pulse, 3608, 8) == [1]


def test_who_is_forgotten_is_not_missed_and_who_is_watched_again_is():
    pulse = Pulse((1, 2), timeout=10, now=0)
    pulse.forget(1)
    assert listen(pulse, 0, 30) == [2]
    pulse.watch(1)
    assert listen(pulse, 30, 9) == []
    assert listen(pulse, 39, 9) == [1]


def test_a_heart_beats_while_its_loop_comes_round_and_not_for_ever_after():
    beats = []
    heart = Heart(lambda: beats.append(1), 0.01)
    until(lambda: heart.look() or len(beats) > 3 * STALLS * BEATS, "its beats")  # longer than a stall may be
    known = len(beats)
    until(lambda: len(beats) > known, "another beat, although the loop hangs")
    until(lambda: time.monotonic() - heart._looked > STALLS * 0.01, "the time after which it is silent")
    heart.stop()
    assert len(beats) <= known + (STALLS + 1) * BEATS
    known = len(beats)
    heart.look()
    assert len(beats) == known


def test_where_only_one_thread_may_speak_the_loop_itself_beats():
    beats = []
    heart = Heart(lambda: beats.append(threading.current_thread()), 0.01, threads=False)
    until(lambda: heart.look() or len(beats) > 3, "its beats")
    assert set(beats) == {threading.current_thread()}
    heart.stop()
