"""Several sites in one project: one pull, its rows parted by group. All records are made up."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import responses

from schemas import pull as pulls
from schemas.project import Snapshot
from sync.config import SiteConfig, TransportConfig
from sync.errors import SourceMismatch, SourceUnavailable
from sync.ports.source import Source
from sync.redcap.shared import Shares
from sync.redcap.source import open_source
from sync.redcap.transport import Paces
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.sandbox import Sandbox
from tests.redcap import trial
from tests.redcap.fake import DAG, TOKEN, URL, FakeClock, FakeProject, patients

GROUPS = ("north", "south")
OVERLAP = timedelta(0)


def site(group: str | None, url: str = URL) -> SiteConfig:
    name = group or "all"
    return SiteConfig(slug=name, name=name, subject_prefix="X", url=url, project_id=17, token_env="T", group=group)


def opened(group: str | None, shares: Shares, *, url: str = URL, clock: FakeClock | None = None) -> Source:
    transport = TransportConfig(batch_records=50, retries=0)
    return open_source(site(group, url), TOKEN, transport, clock or FakeClock(), paces=Paces(), shares=shares)


@pytest.fixture
def project() -> Iterator[FakeProject]:
    fake = FakeProject(rows=patients(6))
    fake.groups = [
        {"data_access_group_name": name.title(), "unique_group_name": name, "data_access_group_id": n}
        for n, name in enumerate(GROUPS)
    ]
    for row, group in zip(fake.rows, ("north", "south", "north", "", "south", ""), strict=True):
        row[DAG] = group
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback(responses.POST, URL, callback=fake.answer)
        yield fake


def ids(snapshot: Snapshot) -> list[str]:
    return snapshot.rows["record_id"].to_list()


def test_one_pull_serves_all_and_no_row_crosses(project: FakeProject) -> None:
    shares = Shares([site(group) for group in GROUPS])
    north = opened("north", shares).pull()
    asked = len(project.asked)
    south = opened("south", shares).pull()
    assert len(project.asked) == asked
    assert (ids(north), ids(south)) == (["P-1", "P-3"], ["P-2", "P-5"])
    assert (north.site, south.site) == ("north", "south")
    for snapshot in (north, south):
        assert snapshot.notices == (
            "2 records of the project belong to no data access group, so to no site; ask the project's administrator"
            " to assign them",
        )
        assert snapshot.rows[DAG].unique().to_list() == [snapshot.site]


def test_a_project_is_one_however_its_address_is_spelt(project: FakeProject) -> None:
    urls = (URL, URL.replace("redcap.example.org", "REDCap.Example.org:443"))
    shares = Shares([site(group, url) for group, url in zip(GROUPS, urls, strict=True)])
    found = [ids(opened(group, shares, url=url).pull()) for group, url in zip(GROUPS, urls, strict=True)]
    assert found == [["P-1", "P-3"], ["P-2", "P-5"]]
    assert Counter(each["content"] for each in project.asked)["metadata"] == 1
    assert opened("north", shares).pull().records == 2
    assert Counter(each["content"] for each in project.asked)["metadata"] == 2


def test_who_comes_again_gets_a_new_pull(project: FakeProject) -> None:
    shares = Shares()
    opened("north", shares).pull()
    project.rows[0]["note"] = "changed"
    assert opened("north", shares).pull().rows["note"][0] == "changed"
    assert opened("south", shares).pull().records == 2
    assert Counter(each["content"] for each in project.asked)["metadata"] == 2


def test_a_look_is_dropped_when_all_were_served_and_when_it_is_old(project: FakeProject) -> None:
    clock = FakeClock()
    shares = Shares([site(group) for group in GROUPS])
    for group in (*GROUPS, "south"):
        opened(group, shares, clock=clock).pull()
    assert Counter(each["content"] for each in project.asked)["metadata"] == 2
    clock.seconds += 4000
    opened("north", shares, clock=clock).pull()
    assert Counter(each["content"] for each in project.asked)["metadata"] == 3


def test_a_failed_look_fails_those_that_waited_and_is_not_repeated_for_them(project: FakeProject) -> None:
    project.faults["record"] = lambda form, count: (503, {}, "<html/>")
    shares = Shares()
    with pytest.raises(SourceUnavailable) as first:
        opened("north", shares).pull()
    asked = len(project.asked)
    with pytest.raises(SourceUnavailable) as second:
        opened("south", shares).pull()
    assert len(project.asked) == asked
    assert str(first.value) == str(second.value)
    assert first.value is not second.value
    project.faults.clear()
    assert opened("south", shares).pull().records == 2


def test_a_site_that_comes_a_while_after_a_failed_look_tries_for_itself(project: FakeProject) -> None:
    clock = FakeClock()
    project.faults["record"] = lambda form, count: (503, {}, "<html/>")
    shares = Shares()
    with pytest.raises(SourceUnavailable):
        opened("north", shares, clock=clock).pull()
    project.faults.clear()
    clock.seconds += 90
    assert opened("south", shares, clock=clock).pull().records == 2


def test_an_unknown_group_and_a_hidden_group_concern_their_site(project: FakeProject) -> None:
    shares = Shares()
    with pytest.raises(SourceMismatch, match="no data access group 'nort'"):
        opened("nort", shares).pull()
    assert opened("north", shares).pull().records == 2
    project.hidden.add(DAG)
    with pytest.raises(SourceMismatch, match="does not say which data access group"):
        opened("north", shares).pull()


def test_a_source_without_group_or_shares_pulls_for_itself(project: FakeProject) -> None:
    shares = Shares()
    assert opened(None, shares).pull().records == 6
    assert opened("north", shares).pull().records == 2
    assert Counter(each["content"] for each in project.asked)["metadata"] == 2
    assert TOKEN not in repr(shares)


def test_threads_wait_for_the_first(project: FakeProject) -> None:
    gate = threading.Event()
    inside = threading.Event()

    def slow(form: dict[str, str], count: int) -> None:
        inside.set()
        gate.wait(5)

    project.faults["metadata"] = slow
    shares = Shares()
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(opened(group, shares).pull) for group in GROUPS]
        assert inside.wait(5)
        gate.set()
        found = [ids(future.result(10)) for future in futures]
    assert found == [["P-1", "P-3"], ["P-2", "P-5"]]
    assert Counter(each["content"] for each in project.asked)["metadata"] == 1


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with trial.serve() as running:
        for number, group in enumerate(("north", "south", "", "north")):
            trial.enter(running, f"R{number}", f"person {number}")
            running.project("trial").assign_dag(f"R{number}", group)
        yield running


def test_incremental_pulls_are_shared_too(sandbox: Sandbox) -> None:
    url = sandbox.start()
    shares = Shares()
    held = {group: pulls.nothing_known() for group in GROUPS}
    marks: dict[str, pulls.Watermark | None] = dict.fromkeys(GROUPS)
    rows = {group: trial.pl.DataFrame() for group in GROUPS}

    def night() -> dict[str, pulls.Delta]:
        deltas = {}
        for group in GROUPS:
            source = opened(group, shares, url=url)
            delta = source.changes(marks[group], known=held[group], overlap=OVERLAP)
            held[group], marks[group] = pulls.advanced(held[group], delta), delta.watermark
            rows[group] = pulls.applied(rows[group], delta)
            deltas[group] = delta
        return deltas

    first = night()
    assert all(delta.complete for delta in first.values())
    assert first["south"].cost == pulls.Cost()
    sandbox.clock.set(sandbox.clock.local() + timedelta(hours=24))
    handle = sandbox.project("trial")
    trial.enter(sandbox, "R0", "changed")
    handle.assign_dag("R3", "south")
    handle.rename_record("R1", "S1")
    second = night()
    assert second["north"].gone == second["north"].moved_away == {"R3"}
    assert second["south"].renamed == {"R1": "S1"}
    assert second["south"].record_ids == {"S1", "R3"}
    assert second["south"].cost.rows_whole == 0  # the log named R3, so the shared look had brought it
    for group in GROUPS:
        assert trial.ordered(rows[group]) == trial.ordered(opened(group, Shares(), url=url).pull().rows)
        assert rows[group][DAG].unique().to_list() == [group]


def test_a_site_that_is_further_behind_makes_a_look_of_its_own(sandbox: Sandbox) -> None:
    url = sandbox.start()
    shares = Shares()
    sources = {group: opened(group, shares, url=url) for group in GROUPS}
    deltas = {group: sources[group].changes(None) for group in GROUPS}
    south = pulls.advanced(pulls.nothing_known(), deltas["south"])
    north = pulls.advanced(pulls.nothing_known(), deltas["north"])
    sandbox.clock.set(sandbox.clock.local() + timedelta(hours=24))
    trial.enter(sandbox, "R1", "while south was not looking")
    sandbox.clock.set(sandbox.clock.local() + timedelta(hours=1))
    newer = sources["north"].changes(deltas["north"].watermark, known=north, overlap=OVERLAP)
    sandbox.clock.set(sandbox.clock.local() + timedelta(hours=24))
    sandbox.faults.add(Fault(mode=Mode.GATEWAY_TIMEOUT, content="metadata"))
    with pytest.raises(SourceUnavailable):
        opened("south", Shares(), url=url).changes(deltas["south"].watermark, known=south, overlap=OVERLAP)
    sources["north"].changes(newer.watermark, known=north, overlap=OVERLAP)
    late = sources["south"].changes(deltas["south"].watermark, known=south, overlap=OVERLAP)
    assert late.snapshot().rows["initials"].to_list() == ["while south was not looking"]


def test_a_look_that_is_older_than_what_a_site_holds_is_not_for_it(sandbox: Sandbox) -> None:
    """Another process, as a person's run by hand, may have stored the site since the look was taken."""
    url = sandbox.start()
    shares = Shares()
    first = {group: opened(group, Shares(), url=url).changes(None) for group in GROUPS}
    known = {group: pulls.advanced(pulls.nothing_known(), first[group]) for group in GROUPS}
    sandbox.clock.set(sandbox.clock.local() + timedelta(hours=24))
    opened("north", shares, url=url).changes(first["north"].watermark, known=known["north"], overlap=OVERLAP)
    sandbox.clock.set(sandbox.clock.local() + timedelta(minutes=5))
    trial.enter(sandbox, "R1", "entered since")
    by_hand = opened("south", Shares(), url=url).changes(
        first["south"].watermark, known=known["south"], overlap=OVERLAP
    )
    held = pulls.advanced(known["south"], by_hand)
    late = opened("south", shares, url=url).changes(by_hand.watermark, known=held, overlap=OVERLAP)
    assert not late.parts, "what the site holds already is no news, and nothing older is"
    assert late.record_ids == {"R1"}
