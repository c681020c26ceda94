"""A host that keeps failing is left alone for a while, and only then."""

from collections.abc import Iterator

import pytest
import responses

from sync.config import SiteConfig, TransportConfig
from sync.errors import SourceUnavailable
from sync.ports.source import Source
from sync.redcap.circuit import Circuits
from sync.redcap.source import open_source
from sync.redcap.transport import Paces
from tests.redcap.fake import HTML, JSON, TOKEN, URL, FakeClock, FakeProject, patients


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as running:
        yield running


def opened(clock: FakeClock, circuits: Circuits, *, url: str = URL, **transport: int) -> Source:
    site = SiteConfig(slug="n", name="N", subject_prefix="N", url=url, project_id=17, token_env="T")
    config = TransportConfig(**{"retries": 0, **transport})  # type: ignore[arg-type]
    return open_source(site, TOKEN, config, clock, paces=Paces(), circuits=circuits)


def fail(source: Source) -> str:
    with pytest.raises(SourceUnavailable) as caught:
        source.pull()
    return str(caught.value)


def test_an_unreachable_host_is_left_alone_after_two_requests(mock: responses.RequestsMock) -> None:
    clock, circuits = FakeClock(), Circuits()
    mock.add(responses.POST, URL, body=ConnectionRefusedError("refused"))
    for _ in range(2):
        assert "refuses connections" in fail(opened(clock, circuits))
    message = fail(opened(clock, circuits))
    assert "failed 2 times in a row" in message
    assert "300 more seconds" in message
    assert len(mock.calls) == 2


def test_other_hosts_are_not_concerned(mock: responses.RequestsMock) -> None:
    clock, circuits = FakeClock(), Circuits()
    mock.add(responses.POST, URL, body=ConnectionRefusedError("refused"))
    other = "https://other.example.org/api/"
    project = FakeProject(rows=patients(2))
    mock.add_callback(responses.POST, other, callback=project.answer)
    for _ in range(3):
        fail(opened(clock, circuits))
    assert opened(clock, circuits, url=other).pull().records == 2


SPELLINGS = [URL.replace("redcap.example.org", name) for name in ("REDCap.Example.ORG", "redcap.example.org:443")]


def test_a_host_is_one_however_its_address_is_spelt(mock: responses.RequestsMock) -> None:
    clock, circuits = FakeClock(), Circuits()
    for url in (URL, *SPELLINGS):
        mock.add(responses.POST, url, body=ConnectionRefusedError("refused"))
    for url in (URL, SPELLINGS[0]):
        assert "redcap.example.org refuses connections" in fail(opened(clock, circuits, url=url))
    assert "failed 2 times in a row" in fail(opened(clock, circuits, url=SPELLINGS[1]))


def test_the_pace_of_a_host_is_kept_over_all_spellings_of_its_address(mock: responses.RequestsMock) -> None:
    clock, paces, project = FakeClock(), Paces(), FakeProject()
    for url in (URL, *SPELLINGS):
        mock.add_callback(responses.POST, url, callback=project.answer)
        site = SiteConfig(slug="n", name="N", subject_prefix="N", url=url, project_id=17, token_env="T")
        open_source(site, TOKEN, TransportConfig(requests_per_minute=10), clock, paces=paces).structure()
    assert 60 * (len(project.asked) // 10) <= clock.seconds + 1


def test_after_the_pause_one_failure_shuts_it_and_one_answer_opens_it(mock: responses.RequestsMock) -> None:
    clock, circuits = FakeClock(), Circuits()
    dead = mock.add(responses.POST, URL, body=ConnectionRefusedError("refused"))
    for _ in range(3):
        fail(opened(clock, circuits))
    clock.seconds += 300
    assert "refuses connections" in fail(opened(clock, circuits))
    assert "left alone" in fail(opened(clock, circuits))
    assert len(mock.calls) == 3
    clock.seconds += 300
    mock.remove(dead)
    project = FakeProject(rows=patients(2))
    mock.add_callback(responses.POST, URL, callback=project.answer)
    assert opened(clock, circuits).pull().records == 2
    assert opened(clock, circuits).pull().records == 2


def test_a_refusal_is_an_answer(mock: responses.RequestsMock) -> None:
    clock, circuits = FakeClock(), Circuits()
    for _ in range(40):
        circuits.failed("h", clock.monotonic(), is_unreachable=False)
        circuits.answered("h")
    circuits.check("h", clock.monotonic())
    mock.add(responses.POST, URL, status=400, headers=JSON, body='{"error": "no"}')
    for _ in range(30):
        with pytest.raises(Exception, match="refused the request"):
            opened(clock, circuits).structure()
    assert len(mock.calls) == 30


def test_halving_a_large_batch_does_not_pass_for_a_dead_host(mock: responses.RequestsMock) -> None:
    clock, circuits = FakeClock(), Circuits()
    project = FakeProject(rows=patients(1100))

    def busy(form: dict[str, str], count: int) -> tuple[int, dict[str, str], str] | None:
        return (504, HTML, "<html/>") if "records[1]" in form else None

    project.faults["record"] = busy
    mock.add_callback(responses.POST, URL, callback=project.answer)
    source = opened(clock, circuits, batch_records=1024, requests_per_minute=100_000)
    assert source.pull().records == 1100


def test_a_host_that_never_answers_is_left_after_a_quarter_of_an_hour() -> None:
    circuits = Circuits()
    for now in (0.0, 600.0):
        circuits.failed("h", now, is_unreachable=False)
        circuits.check("h", now)
    circuits.failed("h", 901.0, is_unreachable=False)
    with pytest.raises(SourceUnavailable, match="left alone"):
        circuits.check("h", 902.0)
