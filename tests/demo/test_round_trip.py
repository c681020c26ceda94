"""Whatever a centre's patients may have: truth -> site project -> pull -> harmonise = truth, for all four centres."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.frames import Scalar
from schemas.study import Field, Kind
from sync.clock import SystemClock
from sync.config import SiteConfig, TransportConfig
from sync.demo import odm
from sync.demo.cohort import CENTRES
from sync.demo.encode import SiteEncoder, SiteRow
from sync.demo.projects import build
from sync.demo.truth import Place, Truth, truth
from sync.harmonise.harmonise import harmonise
from sync.ports.source import Source
from sync.redcap.source import open_source
from sync.sandbox.sandbox import Sandbox
from tests.demo import centres

STUDY = centres.study()
WORDS = st.text(st.sampled_from("abcXYZ 0123456789,.;'\"<>&随访良好\n"), min_size=1, max_size=30).filter(
    lambda text: text == text.strip() and text not in ("ND", "/", "-99")
)


def number(each: Field) -> st.SearchStrategy[float]:
    """Invent numbers within the hard limits, with the field's own decimals."""
    places = each.decimals if each.decimals is not None else 2
    step = Decimal(1).scaleb(-places)
    hard = each.hard
    low = Decimal(str(hard.low)) if hard and hard.low is not None else Decimal(0)
    high = Decimal(str(hard.high)) if hard and hard.high is not None else Decimal(10_000)
    # a site's unit may be far coarser: stay off the very bottom, where its last digit would not reach
    low = max(low, step * 20)
    return st.integers(int(low / step) + 1, int(high / step)).map(lambda count: float(count * step))


def value(each: Field) -> st.SearchStrategy[Scalar]:
    """Invent what a field may hold."""
    match each.kind:
        case Kind.NUMBER:
            return number(each)
        case Kind.INTEGER:
            return st.integers(1, 5000)
        case Kind.DATE:
            return st.dates(date(1950, 1, 1), date(2030, 12, 31))
        case Kind.DATETIME:
            minutes = st.datetimes(datetime(2009, 1, 1), datetime(2013, 1, 1))  # noqa: DTZ001  the site's wall clock
            return minutes.map(lambda moment: moment.replace(second=0, microsecond=0))
        case Kind.TIME:
            return st.times().map(lambda moment: moment.replace(second=0, microsecond=0))
        case Kind.CODED:
            return st.sampled_from([choice.code for choice in each.choices])
        case Kind.YESNO:
            return st.sampled_from(["0", "1"])
        case Kind.CHECKBOX:
            return st.sampled_from([0, 1])
        case _:
            return WORDS


@pytest.fixture(scope="module")
def trial() -> Truth:
    return truth()


@pytest.fixture(scope="module")
def served(trial: Truth) -> Iterator[tuple[Sandbox, dict[str, Source]]]:
    with Sandbox() as sandbox:
        projects = {site: odm.write(build(STUDY, centres.mapping_of(site), trial, site)) for site in CENTRES}
        url = centres.serve(sandbox, projects)
        sources = {}
        for number_, site in enumerate(CENTRES, start=1):
            config = SiteConfig(
                slug=site, name=site, subject_prefix=CENTRES[site][0], url=url, allow_http=True,
                project_id=number_, token_env="UNUSED",
            )  # fmt: skip
            transport = TransportConfig(requests_per_minute=100_000)
            sources[site] = open_source(config, f"{centres.TOKEN}{number_}", transport, SystemClock())
        yield sandbox, sources


def places(trial: Truth, site: str) -> list[Place]:
    """Choose one row of every form at this site, so that each form has its turn."""
    mapping = centres.mapping_of(site)
    first: dict[tuple[str, str], Place] = {}
    for place, _ in trial.of(site):
        if place.form in mapping.forms:
            first.setdefault((place.form, place.visit), place)
    return list(first.values())


@pytest.mark.parametrize("site", CENTRES)
@settings(
    max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(data=st.data())
def test_any_values_come_back_as_they_were(
    site: str, data: st.DataObject, served: tuple[Sandbox, dict[str, Source]], trial: Truth
) -> None:
    sandbox, sources = served
    mapping = centres.mapping_of(site)
    encoder = SiteEncoder(study=STUDY, mapping=mapping)
    project = sandbox.project(site)
    known = dict(trial.of(site))
    chosen = data.draw(st.lists(st.sampled_from(places(trial, site)), min_size=3, max_size=5, unique=True))
    wanted = {place: invented_row(data, place) for place in chosen}
    for place, row in wanted.items():
        texts: dict[SiteRow, dict[str, str]] = {}
        for column, scalar in row.items():
            cell = encoder.cell(place, column, scalar, {**known[place], **row})
            texts.setdefault(cell.row, {}).update(cell.cells)
        for at, cells in texts.items():
            project.set(
                at.record,
                cells,
                event=at.event,
                instrument=at.repeat_instrument,
                instance=at.repeat_instance or 0,
                recalculate=False,
            )
    frames = {frame.form.name: frame for frame in harmonise(sources[site].pull(), STUDY, mapping).frames}
    for place, row in wanted.items():
        at_place = {"record": encoder.record(place.subject), "event": place.visit, "instance": place.instance}
        found = frames[place.form].rows.filter(**at_place).row(0, named=True)
        for column, scalar in row.items():
            same = found[column] == (pytest.approx(scalar) if isinstance(scalar, float) else scalar)
            assert same, (place.form, column, found[column], scalar)


def invented_row(data: st.DataObject, place: Place) -> dict[str, Scalar]:
    """Invent all that a site reports of one row of one form."""
    mapped = centres.mapping_of(place.site).forms[place.form]
    row = {
        column: data.draw(value(each), label=f"{place.form}.{column}")
        for each in STUDY.form(place.form).fields
        if each.name in mapped.sources and each.name != STUDY.record_field
        for column in each.columns
    }
    if "uvol24_ml" in row:
        # where protein is kept as a concentration, a volume of next to nothing cannot carry it
        row["uvol24_ml"] = float(data.draw(st.integers(500, 4000)))
    return row
