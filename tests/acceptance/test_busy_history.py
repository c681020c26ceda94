"""Sites work while they are pulled: at any request of a night a random editor adds, edits, deletes, renames, swaps,
moves between groups and redefines fields. No such night calls an honest change a loss, none doubles or loses anything,
and after the next quiet one the warehouse equals the source and asks about what is there."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import rule

from sync.bootstrap import App
from sync.ports.stored import QueryFilter
from sync.queries.model import LIVE
from sync.workflows import judging
from tests.acceptance.test_history import NAMES, Histories, effort
from tests.interruptions import Interruptions
from tests.workflows import small


class BusyHistories(Histories):
    followed = ("incremental",)

    def __init__(self) -> None:
        super().__init__()
        self.interruptions = Interruptions()
        self.request: int | None = None

    def edit(self, act: Callable[[], None]) -> None:
        if self.request is None:
            act()
        else:
            self.interruptions.add(self.request, act)
            self.request = None

    @rule(request=st.integers(0, 20))
    def soon(self, request: int) -> None:
        self.request = request

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def swap(self, one: str, other: str) -> None:
        def act() -> None:
            if one != other and {one, other} <= {*self.people}:
                for old, new in ((one, "T"), (other, one), ("T", other)):
                    self.trial.handle.rename_record(old, new)

        self.edit(act)

    def decide(self) -> None:
        """Leave decisions to quiet sites."""

    def fail(self) -> None:
        """Leave faults to quiet sites: a server that withholds rows is none that is busy."""

    def rehearse(self) -> None:
        """Leave dry runs to quiet sites."""

    @rule(full=st.sampled_from([False, False, False, True]))
    def night(self, full: bool) -> None:
        self.trial.move(self.HOUR)
        app = self.apps["incremental"]
        with self.interruptions.during(self.trial.sandbox):
            done = small.run_night(app, full=full)
        for site in done.sites:
            assert "without a trace" not in str(site.reason), site.reason
        self.good_night(app, full=full)
        self.compare()

    def compare(self) -> None:
        app = self.apps["incremental"]
        assert app.warehouse().reader().verify().problems == ()
        self.compare_with_source(app)
        self.compare_queries(app)
        found = self.trial.dump("incremental")
        assert small.run_night(app).exit_code == 0
        assert self.trial.dump("incremental") == found, "a night in which nothing happened changed something"

    def compare_queries(self, app: App) -> None:
        """Each finding that raises a query has one that somebody has to act on, and no such query is without one."""
        for site in app.sites():
            judged = judging.judge_pull(app.source(site).pull(), app.plan(site), as_of=app.clock.now())
            wanted = {
                (each.row.record, each.row.event, each.row.instance, each.field, each.check)
                for each in judged.judgement.findings
                if each.raises_query and each.held_by is None
            }
            queries = app.warehouse().reader().queries(QueryFilter(sites=(site.slug,)))
            live = {
                (each.key.record, each.key.event, each.key.instance, each.key.field, each.key.check)
                for each in queries
                if each.state in LIVE
            }
            assert wanted == live


class BusyHistoriesOfGroups(BusyHistories):
    groups = ("north", "south")


TestBusyHistories = BusyHistories.TestCase
TestBusyHistories.settings = effort(2, 12)
TestBusyHistoriesOfGroups = BusyHistoriesOfGroups.TestCase
TestBusyHistoriesOfGroups.settings = effort(2, 12)
