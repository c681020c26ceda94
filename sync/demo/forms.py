"""Fill in the forms that are asked once or go by dates: consent, eligibility, drugs, infusions, response, end."""

import random
from datetime import date, datetime, time, timedelta

from sync.demo.cohort import Subject
from sync.demo.course import ASSESSMENTS, Assessment
from sync.demo.items import ITEMS
from sync.demo.laboratory import Values
from sync.demo.response import SYSTEMS, points

CRITERIA = ("death", "life", "hosp", "disab", "congen", "med_imp")


def consent(subject: Subject) -> Values:
    """Fill in informed consent; a guardian signs for a minor on the same day."""
    minor = subject.age < 18
    return {
        "subject_id": subject.id,
        "consent_date": subject.consent,
        "consent_version": "2.0" if subject.consent >= date(2010, 9, 1) else "1.0",
        "guardian_consent_date": subject.consent if minor else None,
        "assent_date": subject.consent if minor else None,
        "screen_date": subject.dates["screening"],
    }


def demographics(rng: random.Random, subject: Subject) -> Values:
    """Fill in demographics; months of disease count 30.44 days, as REDCap's do."""
    return {
        "birth_ym": subject.birth_ym,
        "age_consent": subject.age,
        "sex": subject.sex,
        "ethnicity": "03" if rng.random() < 0.06 else "01",
        "sle_dx_date": subject.diagnosis,
        "disease_dur_mo": int((subject.consent - subject.diagnosis).days / 30.44),
    }


def eligibility(rng: random.Random, subject: Subject, base: Assessment) -> Values:
    """Fill in the ACR criteria (four at least), refractoriness and exclusions."""
    met = {"acr_immun", "acr_ana"}
    met |= {"acr_renal"} if subject.nephritis else set()
    met |= {"acr_haem"} if subject.haematological or base.items & {23, 24} else set()
    for name, odds, item in (("malar", 0.45, 15), ("arthritis", 0.55, 9), ("ulcer", 0.15, 17), ("photo", 0.3, 0)):
        if item in base.items or rng.random() < odds:
            met.add(f"acr_{name}")
    if base.items & {18, 19}:
        met.add("acr_serositis")
    for name in ("acr_arthritis", "acr_malar"):
        if len(met) < 4:
            met.add(name)
    names = ("malar", "discoid", "photo", "ulcer", "arthritis", "serositis", "renal", "neuro", "haem", "immun", "ana")
    values: Values = {f"acr_{name}": "1" if f"acr_{name}" in met else "0" for name in names}
    values |= {"acr_total": len(met), "refr_steroid": "1", "refr_cyc": rng.choice("110"), "refr_other": "1"}
    values |= dict.fromkeys(("ie_pregnant", "ie_infection", "ie_malignancy", "ie_organ_failure"), "0")
    flags = {"ln_flag": subject.nephritis, "haem_flag": subject.haematological}
    return values | {"eligible": "1"} | {name: "1" if flag else "0" for name, flag in flags.items()}


def prior_therapy(rng: random.Random) -> list[Values]:
    """Fill in two or three drugs of the time before the study."""
    drugs: list[tuple[str, float, str, str]] = [("PRED", float(rng.choice((20, 25, 30, 40))), "mg", "qd")]
    drugs.append(rng.choice((("CYC", 0.8, "g", "qm"), ("CYC", 0.6, "g", "qm"), ("MMF", 0.75, "g", "bid"))))
    if rng.random() < 0.5:
        drugs.append(rng.choice((("LEF", 20.0, "mg", "qd"), ("HCQ", 200.0, "mg", "bid"), ("VCR", 1.0, "mg", "qw"))))
    rows: list[Values] = []
    for drug, dose, unit, often in drugs:
        stopped = drug in ("CYC", "VCR", "LEF")
        rows.append(
            {
                "pt_drug": drug,
                "pt_dose": dose,
                "pt_dose_unit": unit,
                "pt_freq": often,
                "pt_months": float(rng.randint(6, 30)),
                "pt_discontinued": "1" if stopped else "0",
                "pt_reason": "no sufficient effect" if stopped else None,
            }
        )
    return rows


def conmed(rng: random.Random, subject: Subject) -> list[Values]:
    """Fill in prednisone, tapered at month 3, and hydroxychloroquine; doses never rise."""
    start, taper = subject.dates["screening"], subject.dates["month_3"]
    high = float(rng.choice((15, 20, 25, 30)))
    low = high - rng.choice((5, 10))
    base: Values = {"cm_dose_unit": "mg", "cm_route": "PO", "cm_indication": "SLE", "cm_freq": "qd"}
    pred: Values = base | {"cm_drug": "PRED"}
    return [
        pred | {"cm_dose": high, "cm_start": start, "cm_end": taper, "cm_ongoing": "0", "cm_pred_equiv_mg": high},
        pred
        | {"cm_dose": low, "cm_start": taper + timedelta(days=1), "cm_end": None, "cm_ongoing": "1"}
        | {"cm_pred_equiv_mg": low},
        base
        | {"cm_drug": "HCQ", "cm_dose": 200.0, "cm_freq": "bid", "cm_start": start, "cm_end": None}
        | {"cm_ongoing": "1", "cm_pred_equiv_mg": None},
    ]


def no_adverse_event() -> Values:
    """Say that there was no adverse event, as the abstract does."""
    values: Values = {"ae_any": "0"}
    rest = ("term", "start", "end", "ongoing", "grade", "serious", "related", "action", "outcome", "report_date")
    values |= {f"ae_{name}": None for name in rest}
    return values | {f"ae_sae_criteria___{code}": 0 for code in CRITERIA}


def infusion(rng: random.Random, subject: Subject, visit: str, weight: float) -> Values:
    """Fill in one infusion of about a million cells per kg."""
    day = subject.dates[visit]
    start = datetime.combine(day, time(rng.choice((9, 10, 14)), rng.choice((0, 15, 30))))
    cells = round(weight * rng.uniform(0.96, 1.04), 1)
    lot = f"UC{day:%y%m%d}-{rng.randint(11, 98)}"
    return {
        "inf_date": day,
        "inf_start": start,
        "inf_end": start + timedelta(minutes=rng.choice((30, 40, 45, 60))),
        "inf_done": "1",
        "inf_weight_kg": weight,
        "cells_total_e6": cells,
        "cells_per_kg_e6": round(cells / weight, 2),
        "viability_pct": float(rng.randint(90, 97)),
        "passage": rng.randint(3, 5),
        "lot_no": lot,
        "donor_id": f"D{rng.randint(100, 399)}",
        "volume_ml": float(rng.choice((50, 60, 80, 100))),
        "premed": "1",
        "inf_reaction": "0",
        "release_time": start - timedelta(hours=rng.randint(2, 4)),
    }


def sledai(rng: random.Random, subject: Subject, day: date, now: Assessment) -> Values:
    """Fill in the index: 24 descriptors and their total."""
    values: Values = {"sledai_version": "SLEDAI-2K", "sledai_date": day}
    values |= {f"sledai_{item:02d}": int(item in now.items) for item in ITEMS}
    pga = round(min(2.8, 0.3 + now.sledai * 0.11 + rng.uniform(-0.1, 0.1)), 1)
    initials = {"drumtower": "WX", "zhenjiang": "LJ", "jiangsu": "ZM", "yangzhou": "CY"}[subject.site]
    return values | {"sledai_total": now.sledai, "sledai_assessor": initials, "pga": max(pga, 0.1)}


def bilag(now: Assessment) -> Values:
    """Fill in the grades of BILAG-2004 and their total."""
    values: Values = {"bilag_version": "2004"}
    values |= {f"bilag_{system}": now.grades[system] for system in SYSTEMS}
    return values | {"bilag_vasc": None, "bilag_total": points(now.grades)}


def outcome(subject: Subject, visit: str, derived: dict[str, str]) -> Values:
    """Fill in the site's judgement, which here always agrees with the derived response."""
    response = "RELAPSE" if derived[visit] == "RELAPSED" else derived[visit]
    relapse = subject.dates[subject.relapse] if response == "RELAPSE" and subject.relapse else None
    return {
        "resp_site": response,
        "resp_date": subject.dates[visit],
        "relapse_date": relapse,
        "relapse_basis": "BILAG flare" if relapse else None,
        "retreat": "0",
    }


def pregnancy(rng: random.Random, subject: Subject, visit: str) -> Values | None:
    """Fill in the test of a woman under 55; None for everyone else."""
    if subject.sex != "F" or subject.age >= 55:
        return None
    test = rng.choice(("urine", "serum"))
    return {"preg_test": test, "preg_result": "neg", "preg_date": subject.dates[visit], "postmeno": "0"}


def disposition(subject: Subject) -> Values:
    """Fill in the end of study: everyone completed."""
    values: Values = {"eos_date": subject.dates["eos"], "eos_status": "completed"}
    return values | {"death_date": None, "death_cause": None, "death_autopsy": None}


def nearest(visit: str) -> str:
    """Name the assessment that tells how a patient was at any visit."""
    return visit if visit in ASSESSMENTS else {"month_1": "month_3"}.get(visit, "day_0")
