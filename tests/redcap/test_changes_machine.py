"""Whatever sites do between two incremental pulls, a mirror that applies them equals a full pull, and renames are told
from deletions. Over real HTTP against the sandbox; faults come between."""

import os
from collections.abc import Callable
from datetime import timedelta

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import schemas.pull as pulls
from schemas.known import ROW_KEY
from sync.config import SiteConfig, TransportConfig
from sync.errors import SyncError
from sync.ports.source import Source
from sync.redcap.source import open_source
from sync.redcap.transport import Paces
from sync.sandbox.faults import Fault, Mode
from tests.interruptions import Interruptions
from tests.redcap import trial
from tests.redcap.fake import FakeClock

NAMES = [f"R{n}" for n in range(7)]
LONG = bool(os.environ.get("SYNCLINE_LONG"))
FAULTS = [Mode.RESET, Mode.GATEWAY_TIMEOUT, Mode.TRUNCATED, Mode.EMPTY_BODY, Mode.SSO, Mode.OUT_OF_MEMORY]


class Mirror:
    """One caller: what it holds, brought forward by Deltas alone."""

    def __init__(self, url: str, token: str, group: str | None) -> None:
        site = SiteConfig(slug="n", name="N", subject_prefix="N", url=url, project_id=17, token_env="T", group=group)
        transport = TransportConfig(batch_records=3, retries=0)
        self.source: Source = open_source(site, token, transport, FakeClock(), paces=Paces())
        self.rows = trial.pl.DataFrame()
        self.known = pulls.nothing_known()
        self.mark: pulls.Watermark | None = None

    def follow(self, *, full: bool, overlap: timedelta) -> pulls.Delta:
        delta = self.source.changes(self.mark, known=self.known, full=full, overlap=overlap)
        self.rows, self.known = pulls.applied(self.rows, delta), pulls.advanced(self.known, delta)
        self.mark = delta.watermark and pulls.Watermark.from_plain(delta.watermark.as_plain())
        return delta


class Nights(RuleBasedStateMachine):
    token = trial.TOKEN
    #: a server without a log tells its time by its Date header, which the sandbox takes from the machine
    frozen = True

    @initialize()
    def begin(self) -> None:
        self.sandbox = trial.serve(at=trial.NOON if self.frozen else None)
        self.handle = self.sandbox.project("trial")
        url = self.sandbox.start()
        self.mirrors = {group: Mirror(url, self.token, group) for group in (None, "north")}
        self.people: dict[str, int] = {}
        #: text -> who wrote it; the contents of a record tell who it is, whatever its name was when it was read
        self.writers: dict[str, int] = {}
        self.interruptions = Interruptions()
        self.after: int | None = None
        self.texts = 0
        self.born = 0
        for name in NAMES[:4]:
            self.write(name, "start_arm_1")
        self.move(NAMES[0], "north")
        self.write(NAMES[0], "adverse")
        self.write(NAMES[1], "extra_arm_1")

    def teardown(self) -> None:
        if hasattr(self, "sandbox"):
            self.sandbox.stop()

    def edit(self, act: Callable[[], None]) -> None:
        """Do what the editor does, now or before a request of the next pull."""
        if self.after is None:
            act()
        else:
            self.interruptions.add(self.after, act)
            self.after = None

    @rule(request=st.integers(6, 16))
    def soon(self, request: int) -> None:
        self.after = request

    @rule(name=st.sampled_from(NAMES), place=st.sampled_from(sorted(trial.PLACES)))
    def write(self, name: str, place: str) -> None:
        self.edit(lambda: self.do_write(name, place))

    def do_write(self, name: str, place: str) -> None:
        self.texts += 1
        if name not in self.people:
            self.born += 1
            self.people[name] = self.born
        self.writers[f"text {self.texts}"] = self.people[name]
        trial.enter(self.sandbox, name, f"text {self.texts}", place)

    @rule(name=st.sampled_from(NAMES))
    def open_visit(self, name: str) -> None:
        """Save a form with nothing in it; the log has it like a rename."""
        self.edit(lambda: self.handle.set(name, {}, event="start_arm_2") if name in self.people else None)

    @rule(name=st.sampled_from(NAMES), place=st.sampled_from(sorted(trial.PLACES)))
    def drop_row(self, name: str, place: str) -> None:
        def act() -> None:
            record = self.handle.project.records.get(name)
            if record is not None and len(record.rows) > 1:
                trial.drop(self.sandbox, name, place)

        self.edit(act)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        self.edit(lambda: self.handle.delete_record(name) if self.people.pop(name, None) else None)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename(self, old: str, new: str) -> None:
        def act() -> None:
            if old in self.people and new not in self.people:
                self.people[new] = self.people.pop(old)
                self.handle.rename_record(old, new)

        self.edit(act)

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def swap(self, one: str, other: str) -> None:
        def act() -> None:
            if one != other and {one, other} <= self.people.keys():
                for old, new in ((one, "T"), (other, one), ("T", other)):
                    self.handle.rename_record(old, new)
                self.people[one], self.people[other] = self.people[other], self.people[one]

        self.edit(act)

    @rule(name=st.sampled_from(NAMES), group=st.sampled_from(["", "north", "south"]))
    def move(self, name: str, group: str) -> None:
        self.edit(lambda: self.handle.assign_dag(name, group) if name in self.people else None)

    @rule(minutes=st.integers(1, 2000))
    def wait(self, minutes: int) -> None:
        if self.frozen:
            self.sandbox.clock.set(self.sandbox.clock.local() + timedelta(minutes=minutes))

    @rule(
        mode=st.sampled_from(FAULTS),
        content=st.sampled_from(["record", "record", "log", "metadata"]),
        after=st.integers(0, 4),
        times=st.integers(1, 2),
    )
    @precondition(lambda self: not self.sandbox.faults.active())
    def fail(self, mode: Mode, content: str, after: int, times: int) -> None:
        self.sandbox.faults.add(Fault(mode=mode, content=content, after=after, times=times))

    @rule(
        group=st.sampled_from([None, None, "north"]),
        full=st.sampled_from([False, False, False, True]),
        overlap=st.sampled_from([0, 1, 24]),
    )
    def pull(self, group: str | None, full: bool, overlap: int) -> None:
        mirror = self.mirrors[group]
        before, told = self.people_of(mirror), timedelta(hours=overlap)
        with self.interruptions.during(self.sandbox):
            try:
                delta = mirror.follow(full=full, overlap=told)
            except SyncError:
                self.sandbox.faults.clear()
                delta = mirror.follow(full=full, overlap=told)
        self.sandbox.faults.clear()
        self.judge(mirror, delta, before)
        if self.interruptions.done:
            before = self.people_of(mirror)
            delta = mirror.follow(full=full, overlap=told)
            self.judge(mirror, delta, before)
        whole = mirror.source.pull()
        assert trial.ordered(mirror.rows) == trial.ordered(whole.rows)
        assert delta.record_ids == set(whole.rows["record_id"])
        prints = pulls.fingerprints(whole.rows, "record_id")
        assert mirror.known.frame().sort(ROW_KEY).equals(prints.sort(ROW_KEY))
        assert not delta.missed

    def people_of(self, mirror: Mirror) -> dict[str, int]:
        """Tell by what the mirror's records hold who they are."""
        cells = [(row[0], cell) for row in mirror.rows.iter_rows() for cell in row]
        return {name: self.writers[cell] for name, cell in cells if cell in self.writers}

    def judge(self, mirror: Mirror, delta: pulls.Delta, before: dict[str, int]) -> None:
        assert delta.untraced == 0, "an honest change was called a record gone without a trace"
        people = self.people_of(mirror)
        assert delta.gone == before.keys() - delta.record_ids
        now = {person: name for name, person in people.items()}
        new = {name: now[person] for name, person in before.items() if now.get(person, name) != name}
        # of a record whose every text was dropped nothing tells here who it is
        told = {name: to for name, to in delta.renamed.items() if before[name] in now}
        assert told.items() <= new.items()
        if self.frozen:
            others = {name for name in people if before.get(name, 0) not in (0, people[name])}
            assert others <= delta.reborn, "another's name was taken for the same record"
            assert delta.reborn <= delta.prints.records()


class NightsWithoutLog(Nights):
    token = trial.BLIND
    frozen = False


quick = settings(
    max_examples=12 * (20 if LONG else 1),
    stateful_step_count=25,
    deadline=None,
    # shrinking would take minutes
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
TestNights = Nights.TestCase
TestNights.settings = quick
TestNightsWithoutLog = NightsWithoutLog.TestCase
TestNightsWithoutLog.settings = quick
