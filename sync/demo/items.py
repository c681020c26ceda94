"""Choose SLEDAI descriptors that add up to a total."""

import random
from collections.abc import Mapping

ITEMS: Mapping[int, int] = dict(enumerate([8] * 8 + [4] * 6 + [2] * 7 + [1] * 3, start=1))
"""Descriptor number -> weight; the 24 add up to 105."""

VASCULITIS, ARTHRITIS, MYOSITIS, CASTS, HAEMATURIA, PROTEINURIA, PYURIA = 8, 9, 10, 11, 12, 13, 14
LOW_COMPLEMENT, DNA_BINDING, FEVER, THROMBOCYTOPENIA, LEUCOPENIA = 20, 21, 22, 23, 24
KIDNEY = frozenset({CASTS, HAEMATURIA, PROTEINURIA, PYURIA})
BLOOD = frozenset({THROMBOCYTOPENIA, LEUCOPENIA})

COMMON = {ARTHRITIS: 3.0, HAEMATURIA: 2.0, PYURIA: 1.0, CASTS: 0.8, MYOSITIS: 0.4, VASCULITIS: 0.3}
COMMON |= {LOW_COMPLEMENT: 5.0, DNA_BINDING: 5.0, 15: 2.5, 16: 1.6, 17: 1.2, 18: 0.5, 19: 0.5}
COMMON |= {FEVER: 0.15, THROMBOCYTOPENIA: 1.2, LEUCOPENIA: 1.6}
"""How readily a descriptor is chosen; those not named are too rare for 40 patients."""


def fill(rng: random.Random, rest: int, before: frozenset[int], *, kidney: bool, blood: bool) -> frozenset[int]:
    """Choose descriptors other than proteinuria whose weights sum to ``rest``, preferring those present before.

    Patients without nephritis get no urinary descriptors, those without haematological involvement no cytopenia.
    """
    allowed = {
        item: weight * (4.0 if item in before else 1.0)
        for item, weight in COMMON.items()
        if item != VASCULITIS or rest >= 16
        if (kidney or item not in KIDNEY) and (blood or item not in BLOOD or item == LEUCOPENIA)
    }
    while True:
        chosen: set[int] = set()
        left = rest
        pool = dict(allowed)
        while left and pool:
            item = rng.choices(list(pool), weights=list(pool.values()))[0]
            del pool[item]
            if ITEMS[item] <= left:
                chosen.add(item)
                left -= ITEMS[item]
        if not left:
            return frozenset(chosen)
