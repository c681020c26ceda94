"""A run that is told to stop leaves what is being pulled, and notes nothing of it."""

import threading
import time

from sync.sandbox.faults import Fault, Mode
from tests.workflows import small


def test_a_pull_is_left_and_the_sites_stay_due(tmp_path):
    with small.serve(tmp_path) as trial:
        small.fill(trial, 4)
        app = trial.app("one", groups=["north", "south"])
        app.warehouse().upgrade()
        trial.sandbox.faults.add(Fault(mode=Mode.SLOW, project="small", content="record", seconds=10.0, times=1))
        threading.Timer(2, app.stop.set).start()
        began = time.monotonic()
        done = small.run_night(app)
        assert time.monotonic() - began < 9
        assert {(site.outcome, site.exit_code) for site in done.sites} == {("stopped", 75)}
        assert app.warehouse().reader().runs() == ()
        assert app.warehouse().reader().status(aged_before=small.START) == (), "no lease is left either"
        app.stop.clear()
        assert small.run_night(app).exit_code == 0


def test_a_run_over_several_sites_begins_none_after_the_stop(tmp_path):
    with small.serve(tmp_path) as trial:
        small.fill(trial, 2)
        app = trial.app("one", groups=["north", "south"])
        app.stop.set()
        assert {site.outcome for site in small.run_night(app).sites} == {"stopped"}
