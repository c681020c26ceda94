"""What stands in an alert, and what the filter keeps out. All ids, dates and addresses are invented."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.alerts import wording
from sync.ports.alerts import Alert, SiteLine

AT = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
PREFIXES = ("ZJJU", "NJDT")


@pytest.mark.parametrize(
    "secret",
    [
        "0123456789ABCDEF0123456789ABCDEF",
        "ZJJU-0012",
        "zjju 12",
        "NJDT003",
        "1987-04-23",
        "1987年4月23日",
        "23/04/1987",
        "320102198704231234",
        "138 0013 8000",
        "someone@example.org",
        "user:password",
    ],
)
def test_the_filter_keeps_out(secret: str) -> None:
    text = f"12 of 40 rows: https://{secret}@host/" if ":" in secret else f"12 of 40 rows, {secret}, vanished"
    found = wording.safe(text, PREFIXES)
    assert secret not in found
    assert found.startswith("12 of 40 rows")
    assert "[hidden]" in found


@pytest.mark.parametrize(
    "reason",
    [
        "redcap.example.org is not available (status 503, often maintenance); try again later",
        "the token belongs to project 17, the configuration names project 1234; correct the token",
        "12 of 40 records (30.0 %) are gone. If this is right, run `sync run --site zhenjiang --allow-mass-change`",
        "zhenjiang: the mapping does not fit the site's project (nothing was changed):\n  sledai_total: no field",
        "there is no host redcap.example.org:8443; correct the site's url",
    ],
)
def test_the_filter_lets_real_reasons_through(reason: str) -> None:
    assert wording.safe(reason, PREFIXES) == reason


@settings(max_examples=50, deadline=None)
@given(before=st.text(max_size=20), number=st.integers(0, 99999), after=st.text(max_size=20))
def test_no_subject_gets_through_whatever_stands_around_it(before: str, number: int, after: str) -> None:
    subject = f"ZJJU-{number:04d}"
    assert subject not in wording.safe(f"{before} {subject} {after}", PREFIXES)


def test_control_characters_and_length_are_bounded() -> None:
    found = wording.safe("a\x1b[31m\r\0b" + "x" * 5000, PREFIXES)
    assert not set("\x1b\r\0") & set(found)
    assert len(found) <= 1001


def line(site: str, code: int, outcome: str, reason: str | None = None, *, repeated: bool = False) -> SiteLine:
    return SiteLine(
        site=site,
        run_id="R1",
        outcome=outcome,
        exit_code=code,
        reason=reason,
        repeated=repeated,
        counts={"rows_pulled": 9},
    )


ALERT = Alert(
    at=AT,
    exit_code=4,
    sites=(
        line("north", 0, "ok"),
        line("south", 4, "refused", "the token was revoked"),
        line("west", 75, "locked", "another run works on this site"),
        line("east", 5, "braked", "12 of 40 records are gone", repeated=True),
    ),
    link="https://syncline.example.org/",
)


def test_the_document_holds_every_site_and_a_line_for_chat_servers() -> None:
    found = wording.document(ALERT)
    assert found["format"] == "syncline/1"
    assert (found["alert"], found["exit_code"], found["at"]) == ("trouble", 4, "2026-03-02T02:00:00+00:00")
    assert [each["site"] for each in found["sites"]] == ["north", "south", "west", "east"]
    assert [each["repeated"] for each in found["sites"]] == [False, False, False, True]
    assert found["sites"][1]["reason"] == "the token was revoked"
    assert found["sites"][0]["counts"] == {"rows_pulled": 9}
    assert found["text"].splitlines() == [
        "Syncline: 2 of 4 sites in trouble: south refused, east braked",
        "south: the token was revoked",
        "east: 12 of 40 records are gone",
        "https://syncline.example.org/",
    ]


def test_a_letter_holds_counts_and_a_link_but_no_reason() -> None:
    found = wording.letter(ALERT)
    assert "2 of 4 sites" in found
    assert "south refused or does not match" in found
    assert "east was stopped by a brake" in found
    assert "(told before)" in found
    assert "sync runs show R1" in found
    assert "https://syncline.example.org/" in found
    assert "revoked" not in found
    assert "12 of 40" not in found


def test_a_warning_of_a_site_that_is_done_is_worded_for_chat_and_counted_in_letters() -> None:
    warned = replace(line("north", 0, "ok"), warnings=("left out: vitals.sbp",))
    alert = Alert(at=AT, exit_code=0, sites=(warned,))
    assert wording.summary(alert) == "Syncline: a person should look at north"
    assert wording.document(alert)["text"].splitlines()[1:] == ["north: left out: vitals.sbp"]
    assert "north: 1 new notice that" in wording.letter(alert)
    assert "sbp" not in wording.letter(alert)


def test_what_concerns_all_sites_and_a_test_are_worded_too() -> None:
    whole = Alert(at=AT, exit_code=2, reason="the study cannot be read")
    assert wording.summary(whole) == "Syncline: no site could be worked on (exit 2)"
    assert "sync doctor" in wording.letter(whole)
    assert "the study cannot be read" in wording.document(whole)["text"]
    trial = Alert(at=AT, exit_code=0, is_test=True)
    assert wording.document(trial)["alert"] == "test"
    assert "nothing is wrong" in wording.letter(trial)
