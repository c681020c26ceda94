"""Whatever sites do between two incremental pulls, a mirror that applies them equals a full pull, and renames are told
from deletions. Over real HTTP against the sandbox; faults come between."""

from datetime import timedelta

from hypothesis import settings
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
from tests.redcap import trial
from tests.redcap.fake import FakeClock

NAMES = [f"R{n}" for n in range(7)]
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
        #: name -> person, at the last successful pull
        self.people: dict[str, int] = {}

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

    @rule(name=st.sampled_from(NAMES), place=st.sampled_from(sorted(trial.PLACES)))
    def write(self, name: str, place: str) -> None:
        self.texts += 1
        if name not in self.people:
            self.born += 1
            self.people[name] = self.born
        trial.enter(self.sandbox, name, f"text {self.texts}", place)

    @rule(name=st.sampled_from(NAMES), place=st.sampled_from(sorted(trial.PLACES)))
    def drop_row(self, name: str, place: str) -> None:
        record = self.handle.project.records.get(name)
        if record is not None and len(record.rows) > 1:
            trial.drop(self.sandbox, name, place)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if self.people.pop(name, None):
            self.handle.delete_record(name)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename(self, old: str, new: str) -> None:
        if old in self.people and new not in self.people:
            self.people[new] = self.people.pop(old)
            self.handle.rename_record(old, new)

    @rule(name=st.sampled_from(NAMES), group=st.sampled_from(["", "north", "south"]))
    def move(self, name: str, group: str) -> None:
        if name in self.people:
            self.handle.assign_dag(name, group)

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
        try:
            delta = mirror.follow(full=full, overlap=timedelta(hours=overlap))
        except SyncError:
            self.sandbox.faults.clear()
            delta = mirror.follow(full=full, overlap=timedelta(hours=overlap))
        self.sandbox.faults.clear()
        whole = mirror.source.pull()
        assert trial.ordered(mirror.rows) == trial.ordered(whole.rows)
        assert delta.record_ids == set(whole.rows["record_id"])
        prints = pulls.fingerprints(whole.rows, "record_id")
        assert mirror.known.frame().sort(ROW_KEY).equals(prints.sort(ROW_KEY))
        assert not delta.missed
        assert delta.untraced == 0, "an honest change was called a record gone without a trace"
        self.judge_renames(mirror, delta)
        mirror.people = {name: self.people[name] for name in delta.record_ids}

    def judge_renames(self, mirror: Mirror, delta: pulls.Delta) -> None:
        now = {person: name for name, person in self.people.items() if name in delta.record_ids}
        new = {name: now[person] for name, person in mirror.people.items() if now.get(person, name) != name}
        assert delta.renamed.items() <= new.items()
        assert delta.gone == mirror.people.keys() - delta.record_ids
        if self.frozen:
            others = {name for name in delta.record_ids if mirror.people.get(name, 0) not in (0, self.people[name])}
            assert others <= delta.reborn, "another's name was taken for the same record"
            assert delta.reborn <= delta.prints.records()


class NightsWithoutLog(Nights):
    token = trial.BLIND
    frozen = False


quick = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestNights = Nights.TestCase
TestNights.settings = quick
TestNightsWithoutLog = NightsWithoutLog.TestCase
TestNightsWithoutLog.settings = quick
