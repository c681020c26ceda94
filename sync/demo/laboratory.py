"""Invent results that go with a patient's disease at a visit: signs, blood, urine, immunology.

Every value lies inside the study's soft limits, agrees with the descriptors and grades of the visit, and moves
between visits by less than the study's delta limits; renal function, albumin and complement are best at month 6.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from schemas.frames import Scalar
from sync.demo.cohort import Subject
from sync.demo.course import Assessment
from sync.demo.items import (
    CASTS,
    DNA_BINDING,
    FEVER,
    HAEMATURIA,
    LEUCOPENIA,
    LOW_COMPLEMENT,
    PYURIA,
    THROMBOCYTOPENIA,
)
from sync.demo.numbers import stream

Values = dict[str, Scalar]

KIDNEY = {"screening": 1.0, "day_0": 1.0, "day_7": 0.99, "month_1": 0.97, "month_3": 0.94, "month_6": 0.87}
KIDNEY |= {"month_9": 0.895, "month_12": 0.91}
"""Creatinine and urea against baseline: lowest at month 6."""

BENEFIT = {"screening": 0.0, "day_0": 0.0, "day_7": 0.05, "month_1": 0.25, "month_3": 0.6, "month_6": 1.0}
BENEFIT |= {"month_9": 0.72, "month_12": 0.62}
"""How much of the greatest gain is reached: highest at month 6."""

ANTIBODY = {"screening": 1.0, "day_0": 1.0, "month_3": 0.6, "month_6": 0.5, "month_9": 0.5, "month_12": 0.54}

SOMETIMES_NOT_DONE = ("bili", "gluc", "crp", "esr")
NOT_DONE_SHARE = 0.06
"""Results that no index needs are now and then not done, and the form says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assays:
    """Hold how one centre's laboratory measures, and its limits of normal."""

    c3_lln: float
    c4_lln: float
    ch50_lln: float
    dsdna_method: str
    #: None where the method gives a titre
    dsdna_uln: float | None
    #: empty where the centre reports no titre of ANA
    ana_ladder: tuple[int, ...]


ASSAYS: Mapping[str, Assays] = {
    "drumtower": Assays(
        c3_lln=0.79, c4_lln=0.16, ch50_lln=23.0, dsdna_method="ELISA", dsdna_uln=20.0, ana_ladder=(100, 320, 1000, 3200)
    ),
    "zhenjiang": Assays(
        c3_lln=0.80,
        c4_lln=0.15,
        ch50_lln=25.0,
        dsdna_method="CLIA",
        dsdna_uln=30.0,
        ana_ladder=(80, 160, 320, 640, 1280),
    ),
    "jiangsu": Assays(
        c3_lln=0.90, c4_lln=0.16, ch50_lln=23.0, dsdna_method="Farr", dsdna_uln=7.0, ana_ladder=(100, 320, 1000, 3200)
    ),
    "yangzhou": Assays(c3_lln=0.79, c4_lln=0.17, ch50_lln=26.0, dsdna_method="CLIFT", dsdna_uln=None, ana_ladder=()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Hold one patient's own levels, around which the results of all visits lie."""

    creat: float
    urea: float
    alb: float
    hgb: float
    plt_low: float
    plt_high: float
    wbc_low: float
    wbc_high: float
    crp: float
    c3: float
    c4: float
    dna: float
    igg: float
    ana: int
    sbp: int


def body(subject: Subject, seed: int) -> Body:
    """Draw a patient's own levels."""
    rng = stream(seed, "body", subject.id)
    low = rng.uniform(64, 88)
    return Body(
        creat=rng.uniform(70, 112) if subject.nephritis else rng.uniform(50, 70),
        urea=rng.uniform(6.0, 8.8) if subject.nephritis else rng.uniform(4.2, 5.6),
        alb=rng.uniform(36, 40) if subject.nephritis else rng.uniform(37, 42),
        hgb=rng.uniform(-4, 4),
        plt_low=low,
        plt_high=low * rng.uniform(1.75, 2.2),
        wbc_low=rng.uniform(2.2, 2.7),
        wbc_high=rng.uniform(3.9, 6.4),
        crp=rng.uniform(2.5, 9.0),
        c3=rng.uniform(0, 1),
        c4=rng.uniform(0, 1),
        dna=rng.uniform(2.2, 6.0),
        igg=rng.uniform(12.0, 18.0),
        ana=rng.randint(2, 3),
        sbp=rng.randint(108, 132),
    )


def vitals(rng: random.Random, subject: Subject, visit: str, fever: bool, own: Body) -> Values:
    """Invent vital signs; height at screening only."""
    sbp = own.sbp + rng.randint(-7, 7)
    return {
        "height_cm": subject.height_cm if visit == "screening" else None,
        "weight_kg": round(subject.weight_kg * rng.uniform(0.985, 1.015), 1),
        "temp_c": round(rng.uniform(38.1, 38.4) if fever else rng.uniform(36.2, 37.3), 1),
        "sbp": float(sbp),
        "dbp": float(round(sbp * 0.62) + rng.randint(-5, 6)),
        "pulse": rng.randint(64, 96),
        "rr": rng.randint(15, 20),
        "spo2": float(rng.randint(96, 99)),
    }


def blood(rng: random.Random, subject: Subject, visit: str, now: Assessment, own: Body) -> Values:
    """Invent a blood panel in the study's units."""
    relapsed = subject.relapse is not None and visit in (subject.relapse, "month_12")
    kidney = KIDNEY[visit] + (0.05 if relapsed else 0.0)
    benefit = BENEFIT[visit]
    anaemia = {"A": 80, "B": 95, "C": 112, "D": 117}.get(now.grades["haem"], 122)
    hgb = (anaemia if subject.haematological else 122) + own.hgb + 3.0 * benefit
    hgb += 13 if subject.sex == "M" and not subject.haematological else 0
    plt = own.plt_low if THROMBOCYTOPENIA in now.items else own.plt_high * (1 + 0.1 * benefit)
    wbc = (own.wbc_low if LEUCOPENIA in now.items else own.wbc_high) * rng.uniform(0.96, 1.04)
    alb = own.alb - 2.6 * min(now.protein / 100, 4.0) + 4.5 * benefit
    values: Values = {
        "lab_date": subject.dates[visit],
        "lab_time": time(rng.randint(6, 9), rng.choice((5, 10, 20, 25, 35, 40, 50))),
        "fasting": "1",
        "creat": round(own.creat * kidney * rng.uniform(0.99, 1.01)) * 1.0,
        "urea": round(own.urea * kidney * rng.uniform(0.985, 1.015), 1),
        "alb": round(alb * rng.uniform(0.99, 1.01), 1),
        "hgb": round(hgb + rng.uniform(-1.5, 1.5)) * 1.0,
        "plt": round(plt * rng.uniform(0.95, 1.05)) * 1.0,
        "wbc": round(wbc, 2),
        "lymph": round(wbc * rng.uniform(0.22, 0.28), 2),
        "neut": round(wbc * rng.uniform(0.58, 0.66), 2),
        "alt": float(rng.randint(12, 44)),
        "ast": float(rng.randint(14, 38)),
        "bili": round(rng.uniform(6.5, 15.5), 1),
        "gluc": round(rng.uniform(4.3, 6.0), 1),
        "crp": round(own.crp * (0.6 + now.sledai / 20) * rng.uniform(0.9, 1.1), 1),
        "esr": float(12 + 2 * now.sledai + rng.randint(0, 6)),
    }
    values |= {f"{name}_nd": None for name in tuple(values) if name not in ("lab_date", "lab_time", "fasting")}
    for name in SOMETIMES_NOT_DONE:
        if rng.random() < NOT_DONE_SHARE:
            values |= {name: None, f"{name}_nd": "not_done"}
    return values


def urine(rng: random.Random, visit: str, day: date, now: Assessment) -> Values:
    """Invent a urine panel; at screening the protein differs a little from the day of the infusion."""
    grams = now.protein / 100
    if visit == "screening":
        grams = round(grams * rng.uniform(0.93, 1.08), 2)
    end = datetime.combine(day, time(7, 0))
    steps = ((0.15, "neg"), (0.3, "trace"), (1.0, "1+"), (2.0, "2+"), (3.5, "3+"))
    return {
        "utp24": grams,
        "uvol24_ml": float(rng.randrange(1150, 2250, 10)),
        "upcr": round(grams * rng.uniform(0.88, 1.12), 2),
        "u_dip_protein": next((word for limit, word in steps if grams < limit), "4+"),
        "u_rbc_hpf": rng.randint(8, 40) if HAEMATURIA in now.items else rng.randint(0, 4),
        "u_wbc_hpf": rng.randint(7, 30) if PYURIA in now.items else rng.randint(0, 4),
        "u_casts": "RBC" if CASTS in now.items else rng.choice(("none", "none", "hyaline")),
        "u_collection_start": end - timedelta(hours=24),
        "u_collection_end": end,
    }


def immunology(rng: random.Random, subject: Subject, visit: str, now: Assessment, own: Body) -> Values:
    """Invent complement and antibodies by the assays of the patient's centre."""
    assays, benefit = ASSAYS[subject.site], BENEFIT[visit]
    low = LOW_COMPLEMENT in now.items
    c3 = 0.42 + 0.14 * own.c3 + 0.14 * benefit if low else assays.c3_lln + 0.03 + 0.14 * own.c3 + 0.12 * benefit
    c4 = 0.06 + 0.03 * own.c4 + 0.03 * benefit if low else assays.c4_lln + 0.01 + 0.05 * own.c4 + 0.04 * benefit
    ch50 = assays.ch50_lln * (0.62 + 0.15 * benefit if low else 1.15 + 0.2 * benefit)
    bound = DNA_BINDING in now.items
    values: Values = {
        "c3": round(c3 + rng.uniform(0, 0.02), 2),
        "c3_lln": assays.c3_lln,
        "c4": round(c4 + rng.uniform(0, 0.005), 3),
        "c4_lln": assays.c4_lln,
        "ch50": round(ch50 * rng.uniform(0.97, 1.03), 1),
        "ch50_lln": assays.ch50_lln,
        "ana_method": "IFA",
        "ana_titre_denom": None,
        "ana_pattern": "homogeneous" if own.ana == 3 else "speckled",
        "ana_quant": None,
        "dsdna_method": assays.dsdna_method,
        "dsdna": None,
        "dsdna_uln": assays.dsdna_uln,
        "dsdna_titre_denom": None,
        "igg": round(own.igg * (1 - 0.18 * benefit) * rng.uniform(0.97, 1.03), 1),
    }
    if assays.ana_ladder:
        values["ana_titre_denom"] = assays.ana_ladder[own.ana - (1 if benefit > 0.5 else 0)]
    if assays.dsdna_uln is not None:
        level = max(own.dna * ANTIBODY[visit], 1.25) if bound else rng.uniform(0.35, 0.85)
        values["dsdna"] = round(assays.dsdna_uln * level * rng.uniform(0.97, 1.03), 1)
    else:
        # over 1:5 counts as raised
        values["dsdna_titre_denom"] = (40 if ANTIBODY[visit] > 0.7 else 20) if bound else 5
    return values


def has_fever(now: Assessment) -> bool:
    """Tell whether SLEDAI counts fever at this visit (over 38.0 degrees)."""
    return FEVER in now.items
