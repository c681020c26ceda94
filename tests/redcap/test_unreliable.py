"""Whatever a server does between two requests, a pull is exactly right or raises."""

import json

import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.config import SiteConfig, TransportConfig
from sync.errors import SourceUnavailable
from sync.redcap.source import open_source
from sync.redcap.transport import Paces
from tests.redcap.fake import CSV, HTML, TOKEN, URL, Answer, FakeClock, FakeProject, meta, patients

WHIMS = ("fine", "fine", "busy", "empty", "page", "memory", "short", "cut", "lossy", "error")


def spoilt(whim: str, cut: float, answer: Answer, form: dict[str, str]) -> Answer | None:
    """Spoil a true answer; a cut is without a length, so that nothing but the text can show it."""
    status, headers, body = answer
    text = str(body)
    at = int(len(text) * cut)
    return {
        "fine": None,
        "busy": (503, HTML, "<html/>"),
        "empty": (200, headers, ""),
        "page": (200, headers, "<html>sign on</html>"),
        "memory": (200, HTML, "REDCap ran out of server memory."),
        "short": (200, headers | {"Content-Length": str(len(text.encode()) + 9)}, text),
        "cut": (200, headers | {"Content-Length": None}, text[:at]),
        "lossy": (status, headers, without_last_row(text, form["format"])),
        "error": (400, CSV, "ERROR: something"),
    }[whim]


def without_last_row(text: str, form: str) -> str:
    if form == "json":
        return json.dumps(json.loads(text)[:-1])
    return text.rstrip("\n").rpartition("\n")[0] + "\n"


@settings(deadline=None)
@given(
    whims=st.lists(st.tuples(st.sampled_from(WHIMS), st.floats(0, 1)), max_size=12),
    count=st.integers(0, 7),
    batch=st.integers(1, 4),
    retries=st.integers(0, 2),
)
def test_a_pull_is_right_or_raises(whims: list[tuple[str, float]], count: int, batch: int, retries: int) -> None:
    project = FakeProject(rows=patients(count))
    project.metadata.append(meta("last", "basics"))
    for row in project.rows:
        row["last"] = row["note"] * 2

    def whim(form: dict[str, str], number: int) -> Answer | None:
        if number > len(whims):
            return None
        return spoilt(*whims[number - 1], project._record(form), form)

    project.faults["record"] = whim
    site = SiteConfig(slug="n", name="N", subject_prefix="N", url=URL, project_id=17, token_env="T")
    transport = TransportConfig(batch_records=batch, retries=retries)
    opened = open_source(site, TOKEN, transport, FakeClock(), paces=Paces())
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback(responses.POST, URL, callback=project.answer)
        try:
            snapshot = opened.pull()
        except Exception as error:
            assert isinstance(error, SourceUnavailable) or "refused" in str(error)
            return
    texts = {row["record_id"]: row["last"] for row in project.rows}
    found = dict(zip(snapshot.rows["record_id"], snapshot.rows["last"], strict=True))
    assert found.items() <= texts.items()
    # a record that is left out of a list and of a batch, each without a trace, passes for one just deleted
    if sum(whim == "lossy" for whim, _ in whims) < 2:
        assert sorted(found) == sorted(texts)
        assert snapshot.rows.height == count
