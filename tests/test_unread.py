"""Words that are kept as lines are found again, in order, by who has said them."""

import random

import pytest

from metaopt.unread import WHO, Reports, Unread


def said(chance, count):
    """So many texts of some Reporteds each, and for each of these its text, who says it, and its points."""
    texts, words = [], []
    for place in range(count):
        lines = []
        for _ in range(chance.randint(1, 9)):
            who = WHO % (chance.randint(1, 2), chance.choice((1, 11)), chance.randint(1, 2))
            points = b'[[%d,{"a]]}":"nan"}],[2,{"b":0.5}]]' % chance.randint(1, 999)
            words.append((place, who, points))
            more = b',"more":true' * chance.randint(0, 1)
            lines.append(b'{"run":1,"seq":1,"time":1,"kind":"Reported","body":{%b%b}%b}\n' % (who, points, more))
        texts.append(b"".join(lines))
    return texts, words


@pytest.mark.parametrize("worth", [0, 2, 1000], ids=["always sorted", "now and then", "never"])
def test_words_are_found_while_more_are_said(monkeypatch, worth):
    monkeypatch.setattr("metaopt.unread.WORTH", worth)
    chance, reports, found = random.Random(worth), Reports(), 0
    texts, words = said(chance, 300)
    for text in texts:
        reports.add(text)
        who = chance.choice(words)[1]
        start, end = sorted(chance.randint(0, len(reports)) for _ in range(2))
        expected = [points for place, other, points in words if other == who and start <= place < end]
        assert [*reports.backwards(who, start, end)] == expected[::-1]
        found += len(expected)
    assert found > 1000


def test_who_asks_for_words_is_not_disturbed_by_others_who_do(monkeypatch):
    monkeypatch.setattr("metaopt.unread.WORTH", 0)
    texts, words = said(random.Random(1), 20)
    reports = Reports()
    for text in texts:
        reports.add(text)
    who = words[0][1]
    one = reports.backwards(who, 0, 20)
    first = next(one)
    assert len([*reports.backwards(words[1][1], 0, 20)]) > 1
    assert [first, *one] == [points for _, other, points in words if other == who][::-1]


def test_what_has_been_read_is_not_read_again():
    reports, who = Reports(), WHO % (1, 2, 1)
    lines = [b'{"body":{%b[%d]}}\n' % (who, number) for number in range(5)]
    reports.add(lines[0])
    unread = Unread(reports, who, len(reports))
    reports.add(lines[1] + lines[2])
    assert unread.read() == [b"[1]", b"[2]"]
    rest = unread.rest()
    reports.add(lines[3])
    closed = rest.closed()
    reports.add(lines[4])
    assert rest.read() == [b"[3]", b"[4]"]
    assert closed.read() == [b"[3]"]
    assert closed.rest() is None
