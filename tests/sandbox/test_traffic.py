"""Count requests by a clock of our own: the minute slides, a ban stays."""

from sync.sandbox.traffic import Traffic


def test_the_minute_slides_and_a_ban_outlasts_it():
    now = [0.0]
    traffic = Traffic(lambda: now[0])
    traffic.set(limit=2)
    assert traffic.refused("a") is None
    now[0] = 59.0
    assert traffic.refused("a") is None
    now[0] = 60.0
    assert traffic.refused("a") is None
    assert traffic.refused("b") is None
    assert traffic.refused("a") is not None
    now[0] = 600.0
    assert traffic.refused("a") is not None
    assert traffic.refused("b") is None
    traffic.set(limit=2)
    assert traffic.refused("a") is None
