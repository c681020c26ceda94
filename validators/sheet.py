"""Lay beside the rows of one form every column that its logic reads, and run many pieces of logic at once.

A sheet collects the links of all logic that was compiled on it and then builds one wide frame; a thousand
branching conditions are one ``select`` over it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from validators import references
from validators.dataset import Dataset
from validators.logic import parser
from validators.logic.compile import Compiled, NotExecutable, compile_logic
from validators.references import Link
from validators.verdict import UNREADABLE, Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Hold one compiled piece of logic: what it reads, and why it cannot be run here, if so."""

    compiled: Compiled | None
    links: tuple[Link, ...]
    #: why nothing can be evaluated: not the language, not executable, a column that the site does not deliver
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what a rule said: Boolean a row (null: not evaluated), with the reason where null."""

    truth: pl.Series
    reasons: pl.Series | None
    #: why the rule as a whole could not be run
    refused: str | None = None


class Sheet:
    """Compile and run logic over the rows of one form."""

    def __init__(self, data: Dataset, form: str) -> None:
        """Take the site's data and the form whose rows are judged."""
        self.data = data
        self.form = form
        self._links: dict[str, Link] = {}
        self._rules: dict[str, Rule] = {}
        self._laid: dict[str, pl.Series] = {}
        self._forms = [frame.form for frame in data.frames.values()]
        self._resolver = references.resolver(data.study, data.form(form), forms=self._forms)

    def rule(self, logic: str) -> Rule:
        """Compile logic once; a rule that cannot be run says why and is otherwise harmless."""
        if logic not in self._rules:
            self._rules[logic] = self._compile(logic)
        return self._rules[logic]

    def _compile(self, logic: str) -> Rule:
        try:
            node = parser.parse(logic)
        except parser.LogicSyntaxError as error:
            return Rule(compiled=None, links=(), refused=f"the logic cannot be read: {error}")
        resolve = self._resolver
        resolve.links = {}
        as_of = self.data.as_of.replace(tzinfo=None)
        compiled = compile_logic(node, resolve, as_of=as_of, smart=resolve.smart)
        links = tuple(resolve.links.values())
        if isinstance(compiled, NotExecutable):
            return Rule(compiled=None, links=links, refused=f"the logic cannot be evaluated: {compiled.reason}")
        for link in links:
            reason = None if link.column.startswith("_") else self.data.absent(link.form, link.column)
            if reason is not None:
                return Rule(compiled=None, links=links, refused=f"{link.form}.{link.column}: {reason}")
        self._links |= {link.name: link for link in links}
        return Rule(compiled=compiled, links=links)

    def run(self, rules: Sequence[Rule]) -> list[Answer]:
        """Evaluate rules in one select; where that fails, one by one, so that one bad rule harms no other."""
        sound = [rule for rule in rules if rule.compiled is not None]
        try:
            answers = iter(self._evaluated(sound))
        except (Exception, pl.exceptions.PanicException):
            answers = iter([self._alone(rule) for rule in sound])
        return [next(answers) if rule.compiled is not None else self._refusal(rule.refused) for rule in rules]

    def _alone(self, rule: Rule) -> Answer:
        try:
            return self._evaluated([rule])[0]
        except (Exception, pl.exceptions.PanicException) as error:
            return self._refusal(f"check errored: {type(error).__name__}")

    def _evaluated(self, rules: Sequence[Rule]) -> list[Answer]:
        frame = self.frame(rules)
        asked: list[pl.Expr] = []
        for place, rule in enumerate(rules):
            if rule.compiled is not None:
                asked.append(rule.compiled.truth.alias(f"t{place}"))
                if rule.compiled.reason is not None:
                    asked.append(rule.compiled.reason.alias(f"r{place}"))
        told = frame.select(asked) if asked else pl.DataFrame()
        columns = set(told.columns)
        return [
            Answer(truth=told[f"t{place}"], reasons=told[f"r{place}"] if f"r{place}" in columns else None)
            for place in range(len(rules))
        ]

    def _refusal(self, reason: str | None) -> Answer:
        truth = pl.repeat(None, self.data.height(self.form), dtype=pl.Boolean, eager=True)
        return Answer(truth=truth, reasons=None, refused=reason or UNREADABLE)

    def frame(self, rules: Sequence[Rule]) -> pl.DataFrame:
        """Build the frame that the rules read: the key, then each link's column with ``?`` and ``!``."""
        names = {name for rule in rules if rule.compiled is not None for name in rule.compiled.inputs}
        table = self.data.table(self.form)
        key = [table[name] for name in ("record", "event", "instrument", "instance")]
        for link in dict.fromkeys(link for rule in rules for link in rule.links):
            if link.name in names and link.name not in self._laid:
                self._lay(link)
        return pl.DataFrame(key + [self._laid[name] for name in sorted(names & self._laid.keys())])

    def _lay(self, link: Link) -> None:
        data, form, column = self.data, link.form, link.column
        values = data.table(form)[column]
        series = {link.name: values}
        if not column.startswith("_"):
            series |= {f"{link.name}?": data.unreadable(form, column), f"{link.name}!": data.word(form, column)}
        rows = None if link.own else self.rows(link)
        for name, each in series.items():
            laid = each if rows is None else each.gather(rows)
            self._laid[name] = laid.alias(name)

    def rows(self, link: Link) -> pl.Series | None:
        """Give the rows that a link reads; None where it reads the judged row itself."""
        if link.own:
            return None
        column = link.column if link.at == references.ANY else ""
        return self.data.pointer(self.form, link.form, at=link.at, column=column, instance=link.instance)

    def reads(self, links: Sequence[Link]) -> tuple[Read, ...]:
        """Name what links read, for the evidence; form statuses are left out, they are no cells."""
        return tuple(
            Read(form=link.form, column=link.column, rows=self.rows(link), visit=_visit(link))
            for link in links
            if not link.column.startswith("_")
        )


def _visit(link: Link) -> str | None:
    plain = link.own or link.at in {references.SAME, references.ANY, *references.RELATIVE}
    return None if plain else link.at
