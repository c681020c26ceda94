"""List the entry errors that the demo seeds: what goes wrong where, how often, and which checks must notice.

The mix follows what is published on data entry: errors come in clusters (one site, one analyte, some weeks) and not
evenly, totals are added up wrongly in 3 to 5 % of forms, and 30 to 60 % of errors are plausible and beyond any rule.
Plausible errors never touch SLEDAI, BILAG, 24-hour protein or what these are judged by.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from schemas.frames import Scalar
from sync.demo import slips
from sync.demo.slips import Slip

Row = Mapping[str, Scalar]


@unique
class Kind(StrEnum):
    """Name what went wrong."""

    UNIT = "unit"
    DECIMAL = "decimal shift"
    TRANSPOSITION = "transposition"
    DATE = "date"
    CODE = "code"
    MISSING = "missing"
    TOTAL = "total"
    CONFLICT = "conflict"
    UNREADABLE = "unreadable"
    COPY = "panel copied"
    PLAUSIBLE = "plausible"
    UNUSUAL = "unusual but true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Say how one kind of error is made, and where."""

    kind: Kind
    form: str
    field: str
    slip: Slip
    #: site -> how many
    sites: Mapping[str, int]
    #: any one of these must fire; none: no rule can notice
    checks: tuple[str, ...] = ()
    #: how the site gets it wrong again before it gets it right
    again: Slip | None = None
    visits: tuple[str, ...] = ()
    #: neighbours in time at one site, as when somebody new is typing, instead of anywhere
    run: bool = False
    fits: Callable[[Row], bool] = lambda row: True
    #: further fields that the same slip hits in the same row
    also: tuple[str, ...] = ()


LATER = ("month_3", "month_6", "month_9")
FOLLOW_UP = (*LATER, "month_12")

UNITS = (
    Recipe(
        kind=Kind.UNIT, form="labs", field="creat", slip=slips.in_unit("1"), sites={"jiangsu": 4}, run=True,
        checks=("RG01", "UN02"), visits=("month_3", "month_6", "month_9", "month_12"),
    ),
    Recipe(
        kind=Kind.UNIT, form="labs", field="hgb", slip=slips.in_unit("1"), sites={"jiangsu": 3}, run=True,
        checks=("RG01", "UN02"),
    ),
    Recipe(
        kind=Kind.UNIT, form="labs", field="hgb", slip=slips.in_unit("0.1"), sites={"drumtower": 4}, run=True,
        checks=("RG01", "UN02"),
    ),
    Recipe(
        kind=Kind.UNIT, form="labs", field="plt", slip=slips.under_unit("2"), sites={"zhenjiang": 5}, run=True,
        checks=("RG02", "UN02"),
    ),
    Recipe(
        kind=Kind.UNIT, form="immunology", field="c3", slip=slips.in_unit("1"), sites={"yangzhou": 4}, run=True,
        checks=("RG01", "UN02"),
    ),
    Recipe(
        kind=Kind.UNIT, form="urine", field="utp24", slip=slips.in_unit("1"), sites={"zhenjiang": 3}, run=True,
        checks=("XF05",), visits=FOLLOW_UP, fits=lambda row: float(str(row["utp24"])) > 0.6,
    ),
    Recipe(
        kind=Kind.UNIT, form="msc_infusion", field="viability_pct", slip=slips.in_unit("0.01"),
        sites={"jiangsu": 1}, checks=("RG02", "UN02"),
    ),
    Recipe(
        kind=Kind.UNIT, form="conmed", field="cm_dose_unit", slip=slips.becomes("g"),
        sites={"drumtower": 1, "zhenjiang": 1, "yangzhou": 1}, checks=("CM04",),
        fits=lambda row: row["cm_drug"] in ("PRED", "HCQ"),
    ),
)  # fmt: skip

NUMBERS = (
    Recipe(
        kind=Kind.DECIMAL, form="vitals", field="weight_kg", slip=slips.times("10"), again=slips.times("0.1"),
        sites={"drumtower": 1, "yangzhou": 1}, checks=("RG01", "DL02"), visits=FOLLOW_UP,
    ),
    Recipe(
        kind=Kind.DECIMAL, form="vitals", field="temp_c", slip=slips.times("10"), again=slips.times("0.1"),
        sites={"jiangsu": 1, "yangzhou": 1}, checks=("RG01", "TY01"),
    ),
    Recipe(
        kind=Kind.DECIMAL, form="labs", field="alb", slip=slips.times("0.1"),
        sites={"zhenjiang": 1, "drumtower": 1}, checks=("RG01", "UN02"),
    ),
    Recipe(
        kind=Kind.DECIMAL, form="labs", field="creat", slip=slips.times("10"), again=slips.times("100"),
        sites={"drumtower": 2, "zhenjiang": 1}, checks=("RG01", "RG02", "DL01"), visits=LATER,
    ),
    Recipe(
        kind=Kind.DECIMAL, form="labs", field="neut", slip=slips.times("10"), sites={"yangzhou": 1, "jiangsu": 1},
        checks=("XF02", "RG02"),
    ),
    Recipe(
        kind=Kind.DECIMAL, form="msc_infusion", field="cells_total_e6", slip=slips.times("10"),
        sites={"zhenjiang": 1, "jiangsu": 1}, checks=("IN02",),
    ),
    Recipe(
        kind=Kind.DECIMAL, form="urine", field="utp24", slip=slips.times("10"), sites={"drumtower": 2, "jiangsu": 1},
        checks=("RG02", "XF05", "UN02"), visits=("day_0", "month_9", "month_12"),
        fits=lambda row: float(str(row["utp24"])) > 1.3,
    ),
    Recipe(
        kind=Kind.TRANSPOSITION, form="vitals", field="weight_kg", slip=slips.swapped,
        sites={"zhenjiang": 2, "jiangsu": 1}, checks=("RG01", "RG02", "DL02", "DL02.S"), visits=FOLLOW_UP,
        fits=lambda row: str(row["weight_kg"])[0] in "45" and str(row["weight_kg"])[1] in "12789",
    ),
    Recipe(
        kind=Kind.TRANSPOSITION, form="vitals", field="dbp", slip=slips.of_field("sbp"),
        sites={"drumtower": 1, "yangzhou": 1}, checks=("XF01",),
    ),
    Recipe(
        kind=Kind.DECIMAL, form="vitals", field="height_cm", slip=slips.times("0.01"), sites={"yangzhou": 1},
        checks=("RG01", "UN02"), visits=("screening",),
    ),
)  # fmt: skip

DATES = (
    Recipe(
        kind=Kind.DATE, form="visit_form", field="visit_date", slip=slips.year(1), again=slips.year(-1),
        sites={"drumtower": 1, "zhenjiang": 1, "jiangsu": 1, "yangzhou": 1},
        checks=("VW01", "VW02", "VW03", "DT05", "DT02"), visits=FOLLOW_UP,
    ),
    Recipe(
        kind=Kind.DATE, form="labs", field="lab_date", slip=slips.year(-1),
        sites={"drumtower": 1, "zhenjiang": 1, "yangzhou": 1}, checks=("DT03", "DT05", "XF20"), visits=FOLLOW_UP,
    ),
    Recipe(
        kind=Kind.DATE, form="sledai", field="sledai_date", slip=slips.year(1), sites={"jiangsu": 1},
        checks=("DT05", "XF20", "DT02"), visits=LATER,
    ),
    Recipe(
        kind=Kind.DATE, form="msc_infusion", field="inf_date", slip=slips.year(1), sites={"zhenjiang": 1},
        checks=("IN01", "DT05"), visits=("day_7",),
    ),
    Recipe(
        kind=Kind.DATE, form="screening_consent", field="consent_date", slip=slips.days(30),
        sites={"jiangsu": 1, "yangzhou": 1}, checks=("DT04", "DT03"),
    ),
    Recipe(
        kind=Kind.DATE, form="conmed", field="cm_end", slip=slips.year(-1), sites={"drumtower": 1, "jiangsu": 1},
        checks=("CM01",),
    ),
    Recipe(
        kind=Kind.DATE, form="outcome", field="relapse_date", slip=slips.year(-1),
        sites={"drumtower": 1, "zhenjiang": 1, "jiangsu": 1, "yangzhou": 1}, checks=("OC03", "DT03"),
    ),
    Recipe(
        kind=Kind.DATE, form="msc_infusion", field="inf_end", slip=slips.hours(-2),
        sites={"drumtower": 1, "zhenjiang": 1}, checks=("IN03",),
    ),
    Recipe(
        kind=Kind.DATE, form="demographics", field="sle_dx_date", slip=slips.year(20), sites={"zhenjiang": 1},
        checks=("DT09", "DT02"),
    ),
    Recipe(
        kind=Kind.UNREADABLE, form="labs", field="lab_date", slip=slips.rewritten("年", "."),
        sites={"yangzhou": 2}, checks=("DT01",),
    ),
    Recipe(
        kind=Kind.UNREADABLE, form="visit_form", field="visit_date", slip=slips.typed("31/02/2011"),
        sites={"jiangsu": 1}, checks=("DT01",), visits=("month_9",),
    ),
    Recipe(
        kind=Kind.UNREADABLE, form="demographics", field="birth_ym", slip=slips.rewritten("-", "/"),
        sites={"zhenjiang": 1, "yangzhou": 1}, checks=("PT01", "TY01"),
    ),
)  # fmt: skip

CODES = (
    Recipe(
        kind=Kind.CODE, form="demographics", field="sex", slip=slips.becomes("M"), sites={"jiangsu": 1},
        checks=("XF13",), fits=lambda row: row["sex"] == "F",
    ),
    Recipe(
        kind=Kind.CODE, form="visit_form", field="visit_done", slip=slips.typed("是"), sites={"yangzhou": 3},
        run=True, checks=("CD01",),
    ),
    Recipe(
        kind=Kind.CODE, form="demographics", field="sex", slip=slips.typed("女"), sites={"zhenjiang": 1},
        checks=("CD01",),
    ),
    Recipe(
        kind=Kind.CODE, form="eligibility", field="refr_steroid", slip=slips.typed("1"), sites={"jiangsu": 2},
        run=True, checks=("CD01",),
    ),
    Recipe(
        kind=Kind.CODE, form="sledai", field="sledai_15", slip=slips.typed("3"),
        sites={"drumtower": 1, "zhenjiang": 1}, checks=("XF04", "XF03"),
    ),
    Recipe(
        kind=Kind.CODE, form="screening_consent", field="subject_id", slip=slips.rewritten("JSPH", "JSHP"),
        sites={"jiangsu": 1}, checks=("ID01",),
    ),
    Recipe(
        kind=Kind.CODE, form="outcome", field="resp_site", slip=slips.becomes("NR"),
        sites={"drumtower": 1, "jiangsu": 1, "yangzhou": 1}, checks=("OC01",), visits=("month_6",),
        fits=lambda row: row["resp_site"] in ("MCR", "PCR"),
    ),
    Recipe(
        kind=Kind.UNREADABLE, form="labs", field="urea", slip=slips.suffixed(" mmol/L"),
        sites={"zhenjiang": 1, "yangzhou": 1}, checks=("TY01",),
    ),
    Recipe(
        kind=Kind.UNREADABLE, form="immunology", field="dsdna", slip=slips.typed("<5.0"),
        sites={"drumtower": 1, "jiangsu": 1}, checks=("TY01",),
    ),
)  # fmt: skip

MISSING = (
    Recipe(
        kind=Kind.MISSING, form="sledai", field="sledai_16", slip=slips.blank,
        sites={"drumtower": 1, "yangzhou": 1}, checks=("CP01", "XF03.S"),
    ),
    Recipe(
        kind=Kind.MISSING, form="immunology", field="c3_lln", slip=slips.blank,
        sites={"zhenjiang": 3}, run=True, checks=("CP01",),
    ),
    Recipe(
        kind=Kind.MISSING, form="vitals", field="pulse", slip=slips.blank, sites={"jiangsu": 3}, run=True,
        checks=("CP01",),
    ),
    Recipe(
        kind=Kind.MISSING, form="msc_infusion", field="lot_no", slip=slips.blank,
        sites={"drumtower": 1, "yangzhou": 1}, checks=("CP01",),
    ),
    Recipe(
        kind=Kind.MISSING, form="labs", field="lab_date", slip=slips.blank, sites={"drumtower": 1, "jiangsu": 1},
        checks=("CP01",), visits=("month_1", *FOLLOW_UP),
    ),
    Recipe(
        kind=Kind.MISSING, form="screening_consent", field="consent_version", slip=slips.blank,
        sites={"zhenjiang": 2}, run=True, checks=("CP01",),
    ),
    Recipe(
        kind=Kind.MISSING, form="screening_consent", field="guardian_consent_date", slip=slips.blank,
        sites={"drumtower": 1}, checks=("DT08", "CP01"),
    ),
    Recipe(
        kind=Kind.MISSING, form="prior_therapy", field="pt_months", slip=slips.blank, sites={"yangzhou": 2},
        checks=("CP01",),
    ),
    Recipe(
        kind=Kind.MISSING, form="labs", field="ast", slip=slips.blank,
        sites={"drumtower": 2, "jiangsu": 2}, run=True, checks=("CP03",), visits=FOLLOW_UP,
    ),
    Recipe(
        kind=Kind.MISSING, form="pregnancy", field="preg_test", slip=slips.blank, sites={"zhenjiang": 1},
        checks=("XF13", "CP01"),
    ),
)  # fmt: skip

INDICES = (
    Recipe(
        kind=Kind.TOTAL, form="sledai", field="sledai_total", slip=slips.more(2), again=slips.more(4),
        sites={"drumtower": 2, "zhenjiang": 2, "jiangsu": 2, "yangzhou": 2}, checks=("XF03",),
    ),
    Recipe(
        kind=Kind.TOTAL, form="bilag", field="bilag_total", slip=slips.more(7), again=slips.more(3),
        sites={"drumtower": 1, "zhenjiang": 1, "jiangsu": 1, "yangzhou": 2}, checks=("XF11",),
    ),
    Recipe(
        kind=Kind.TOTAL, form="eligibility", field="acr_total", slip=slips.more(1),
        sites={"drumtower": 1, "zhenjiang": 1, "yangzhou": 1}, checks=("XF16",),
    ),
    Recipe(
        kind=Kind.CONFLICT, form="bilag", field="bilag_const", slip=slips.becomes("E"),
        sites={"drumtower": 1, "zhenjiang": 1, "jiangsu": 1}, checks=("XV02",), visits=FOLLOW_UP,
        fits=lambda row: row["bilag_const"] == "D",
    ),
    Recipe(
        kind=Kind.CONFLICT, form="sledai", field="sledai_20", slip=slips.becomes(0), also=("sledai_total",),
        sites={"jiangsu": 1, "yangzhou": 1}, checks=("XF06", "XF03"), visits=FOLLOW_UP,
        fits=lambda row: row["sledai_20"] == 1,
    ),
    Recipe(
        kind=Kind.COPY, form="labs", field="lab_date", slip=slips.as_before, sites={"zhenjiang": 1, "drumtower": 1},
        also=("creat", "urea", "alb", "hgb", "plt", "wbc", "lymph", "neut", "alt", "ast"),
        checks=("XF20",), visits=("month_6", "month_9"),
    ),
)  # fmt: skip

EVERYWHERE = {"drumtower": 1, "zhenjiang": 1, "jiangsu": 1, "yangzhou": 1}

PLAUSIBLE = tuple(
    Recipe(kind=Kind.PLAUSIBLE, form=form, field=field, slip=slip, sites=sites, run=run, fits=fits)
    for form, field, slip, sites, run, fits in (
        ("vitals", "pulse", slips.plus(4, 9), dict.fromkeys(EVERYWHERE, 2), False,
         lambda row: 70 <= int(str(row["pulse"])) <= 100),
        ("vitals", "rr", slips.plus(1, 2), EVERYWHERE, False, lambda row: True),
        ("vitals", "sbp", slips.plus(3, 7), {"drumtower": 4, "zhenjiang": 2, "jiangsu": 1, "yangzhou": 2}, True,
         lambda row: True),
        ("labs", "alt", slips.plus(2, 6), dict.fromkeys(EVERYWHERE, 2), False, lambda row: True),
        ("labs", "ast", slips.plus(2, 6), EVERYWHERE, False, lambda row: True),
        ("labs", "gluc", slips.plus(0.2, 0.6), {"jiangsu": 3, "yangzhou": 2}, True,
         lambda row: row["gluc"] is not None),
        ("labs", "esr", slips.plus(3, 6), {"drumtower": 2, "zhenjiang": 2, "yangzhou": 1}, False,
         lambda row: row["esr"] is not None),
        ("immunology", "igg", slips.plus(0.3, 1.2), EVERYWHERE, False, lambda row: True),
        ("msc_infusion", "volume_ml", slips.plus(9, 11), EVERYWHERE, False, lambda row: True),
        ("msc_infusion", "lot_no", slips.swapped, {"drumtower": 1, "jiangsu": 2, "yangzhou": 1}, False,
         lambda row: True),
        ("prior_therapy", "pt_months", slips.plus(1, 4), {"zhenjiang": 3, "jiangsu": 2}, True, lambda row: True),
        ("demographics", "ethnicity", slips.becomes("03"), {"drumtower": 1, "yangzhou": 1}, False,
         lambda row: row["ethnicity"] == "01"),
    )
)  # fmt: skip

UNUSUAL = tuple(
    Recipe(kind=Kind.UNUSUAL, form=form, field=field, slip=slips.becomes(value), sites=sites, checks=("RG02",),
           visits=LATER)
    for form, field, value, sites in (
        ("vitals", "pulse", 124, {"drumtower": 1, "yangzhou": 1}),
        ("labs", "alt", 236.0, {"zhenjiang": 1, "jiangsu": 1}),
        ("labs", "crp", 112.0, {"drumtower": 1, "zhenjiang": 1}),
        ("labs", "gluc", 15.8, {"jiangsu": 1, "yangzhou": 1}),
    )
)  # fmt: skip
"""True values outside the usual limits, which the sites confirm; none enters a published figure."""

ALL = (*UNITS, *NUMBERS, *DATES, *CODES, *MISSING, *INDICES, *PLAUSIBLE, *UNUSUAL)
