"""Explaining one row."""

from datetime import date

from tests.validators.logic.rows import AS_OF, resolve
from validators.logic import compile as logic
from validators.logic import explain, parser
from validators.logic.explain import Outcome


def explained(text, **row):
    return explain.explain(parser.parse(text), row, resolve, as_of=AS_OF)


def test_every_part_is_shown_with_what_it_came_to():
    found = explained(
        "[n1] + [n2] > 5 or datediff([d1], 'today', 'd') > 30 or [c1] = '' or not contains([t1], 'x')",
        n1=2,
        n2__bad=True,
        d1=date(2024, 2, 1),
        c1__code="UNK",
        t1="xyz",
    )
    assert explain.render(found).splitlines() == [
        "[n1] + [n2] > 5 or datediff([d1], 'today', 'd') > 30 or [c1] = '' or not contains([t1], 'x'): "
        "not evaluated ([n2] holds something that is not a number)",
        "  [n1] + [n2] > 5: not evaluated ([n2] holds something that is not a number)",
        "    [n1] + [n2]: not evaluated ([n2] holds something that is not a number)",
        "      [n1]: 2",
        "      [n2]: not evaluated ([n2] holds something that is not a number)",
        "  datediff([d1], 'today', 'd') > 30: false",
        "    datediff([d1], 'today', 'd'): 29",
        "      [d1]: '2024-02-01'",
        "  [c1] = '': false",
        "    [c1]: missing code UNK",
        "  not contains([t1], 'x'): false",
        "    contains([t1], 'x'): true",
        "      [t1]: 'xyz'",
    ]


def test_values_and_places_can_be_read_without_the_rendering():
    found = explained("[n1] * 2 = ''")
    assert (found.outcome, found.value) == (Outcome.VALUE, True)
    (product,) = found.parts
    assert (product.text, product.outcome, product.value) == ("[n1] * 2", Outcome.BLANK, None)
    assert product.span.start == 0
    assert product.parts[0].outcome is Outcome.BLANK


def test_logic_without_fields_is_explained_too():
    assert explain.render(explained("if(1 = 1, 'a', 'b')")) == "if(1 = 1, 'a', 'b'): 'a'\n  1 = 1: true"


def test_what_cannot_be_evaluated_is_not_explained_away():
    for text in ("[zz] = 1", "[record-name] = 1", "nosuch([n1])"):
        assert isinstance(explained(text), logic.NotExecutable)
