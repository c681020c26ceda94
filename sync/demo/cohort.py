"""Invent the 40 patients: who they are, when they came, and how they will fare. Nobody here exists."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sync.demo.numbers import stream
from sync.demo.published import Published

CENTRES: Mapping[str, tuple[str, int]] = {
    "drumtower": ("NJDT", 10),
    "zhenjiang": ("ZJJU", 10),
    "jiangsu": ("JSPH", 10),
    "yangzhou": ("YZSB", 10),
}
"""Site slug -> (subject prefix, patients)."""

VISITS: Mapping[str, tuple[int, int]] = {
    "screening": (-14, 5),
    "day_0": (0, 0),
    "day_7": (7, 0),
    "month_1": (30, 4),
    "month_3": (91, 8),
    "month_6": (182, 8),
    "month_9": (274, 12),
    "month_12": (365, 14),
}
"""Visit -> (planned day, most days by which these patients come early or late; well inside the windows)."""

EOS_AFTER_DAYS = 9
FIRST_INFUSION, LAST_INFUSION = date(2010, 3, 1), date(2011, 5, 27)
NEPHRITIS, HAEMATOLOGICAL, MEN, OPTIONAL_VISITS = 24, 18, 4, 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Hold what of one invented patient stays the same over the study."""

    site: str
    id: str
    sex: str
    birth_ym: str
    diagnosis: date
    consent: date
    #: visit id -> date; ``month_1`` only for those who came
    dates: Mapping[str, date]
    nephritis: bool
    haematological: bool
    #: MCR, PCR or NR at month 6
    response: str
    #: month_9, month_12 or None
    relapse: str | None
    height_cm: float
    weight_kg: float

    @property
    def age(self) -> int:
        """Count the completed years at consent, in whole months, as the study's calculation does."""
        year, month = int(self.birth_ym[:4]), int(self.birth_ym[5:])
        return ((self.consent.year - year) * 12 + self.consent.month - month) // 12


def invent(seed: int, published: Published) -> tuple[Subject, ...]:
    """Invent the patients, in the order of their ids; counts of responses and relapses are the published ones."""
    places = [(site, f"{prefix}-{n:03d}") for site, (prefix, count) in CENTRES.items() for n in range(1, count + 1)]
    fates = _fates(stream(seed, "fates"), len(places), published)
    nephritis = _some(stream(seed, "nephritis"), len(places), NEPHRITIS)
    haem = _some(stream(seed, "haem"), len(places), HAEMATOLOGICAL)
    men = _some(stream(seed, "men"), len(places), MEN)
    early = _some(stream(seed, "month_1"), len(places), OPTIONAL_VISITS)
    births: set[str] = set()
    infusions = _infusions(stream(seed, "infusions"), places)
    subjects = []
    for n, (site, name) in enumerate(places):
        rng = stream(seed, "person", name)
        dates = _dates(rng, infusions[n], optional=early[n])
        consent = dates["screening"] - timedelta(days=rng.randint(1, 3))
        birth = _birth(rng, consent, births, minor=name == "NJDT-004")
        born = date(int(birth[:4]), int(birth[5:]), 15)
        months = rng.randint(8, min(140, (consent - born).days // 30 - 12 * 13))
        male = men[n] and name != "NJDT-004"
        subjects.append(
            Subject(
                site=site,
                id=name,
                sex="M" if male else "F",
                birth_ym=birth,
                diagnosis=consent - timedelta(days=int(months * 30.44) + rng.randint(0, 27)),
                consent=consent,
                dates=dates,
                nephritis=nephritis[n],
                haematological=haem[n],
                response=fates[n][0],
                relapse=fates[n][1],
                height_cm=float(rng.randint(164, 178) if male else rng.randint(152, 169)),
                weight_kg=round(rng.uniform(58, 72) if male else rng.uniform(45, 64), 1),
            )
        )
    return tuple(subjects)


def _some(rng: random.Random, n: int, chosen: int) -> list[bool]:
    flags = [True] * chosen + [False] * (n - chosen)
    rng.shuffle(flags)
    return flags


def _fates(rng: random.Random, n: int, published: Published) -> list[tuple[str, str | None]]:
    """Deal out responses, and relapses among those who had responded."""
    major, partial = published.count("month_6", "MCR"), published.count("month_6", "PCR")
    responses = ["MCR"] * major + ["PCR"] * partial + ["NR"] * (n - major - partial)
    rng.shuffle(responses)
    responders = [place for place, response in enumerate(responses) if response != "NR"]
    visits = [v for v in ("month_9", "month_12") for _ in range(published.count(v, "RELAPSE"))]
    relapses = dict(zip(rng.sample(responders, len(visits)), visits, strict=True))
    return [(response, relapses.get(place)) for place, response in enumerate(responses)]


def _infusions(rng: random.Random, places: list[tuple[str, str]]) -> list[date]:
    """Spread first infusions over the recruitment, rising with the patient's number at each centre."""
    days = (LAST_INFUSION - FIRST_INFUSION).days
    by_site: dict[str, list[date]] = {}
    for site, (_, count) in CENTRES.items():
        slots = sorted(rng.sample(range(0, days, 6), count))
        by_site[site] = [_weekday(FIRST_INFUSION + timedelta(days=slot)) for slot in slots]
    return [by_site[site].pop(0) for site, _ in places]


def _weekday(day: date) -> date:
    return day + timedelta(days={5: 2, 6: 1}.get(day.weekday(), 0))


def _dates(rng: random.Random, infusion: date, *, optional: bool) -> dict[str, date]:
    dates = {}
    for visit, (day, most) in VISITS.items():
        if visit == "month_1" and not optional:
            continue
        planned = infusion + timedelta(days=day + rng.randint(-most, most))
        dates[visit] = _weekday(planned) if most else planned
    dates["eos"] = _weekday(dates["month_12"] + timedelta(days=EOS_AFTER_DAYS))
    return dates


def _birth(rng: random.Random, consent: date, taken: set[str], *, minor: bool) -> str:
    """Draw a month of birth that nobody else has, so that no two patients look like one."""
    while True:
        months = 16 * 12 + 8 if minor else int(rng.triangular(18, 56, 27) * 12) + rng.randint(0, 11)
        year, month = divmod(consent.year * 12 + consent.month - 1 - months, 12)
        birth = f"{year:04d}-{month + 1:02d}"
        if birth not in taken:
            taken.add(birth)
            return birth
