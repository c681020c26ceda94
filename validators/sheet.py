"""Lay beside the rows of one form every column that its logic reads, and run many pieces of logic at once.

A sheet collects the links of all logic that was compiled on it and then builds one wide frame; a thousand
branching conditions are one ``select`` over it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from validators import references
from validators.dataset import Dataset
from validators.logic import parser, tree
from validators.logic.compile import Compiled, NotExecutable, Resolved, Unresolved, compile_logic
from validators.references import Link
from validators.verdict import UNREADABLE, Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Hold one compiled piece of logic: what it reads, and why it cannot be run here, if so."""

    logic: str
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


@dataclass(slots=True)
class _Kept:
    """Hold what was worked out for one form's rows, whoever asks for it next."""

    #: by their logic
    rules: dict[str, Rule] = field(default_factory=dict)
    #: columns beside the form's rows, by their names in a sheet
    laid: dict[str, pl.Series] = field(default_factory=dict)
    #: by the rule's logic
    answers: dict[str, Answer] = field(default_factory=dict)


class Sheet:
    """Compile and run logic over the rows of one form; sheets of one form and dataset share what they worked out."""

    def __init__(self, data: Dataset, form: str) -> None:
        """Take the site's data and the form whose rows are judged."""
        self.data = data
        self.form = form
        self._kept: _Kept = data.sheets.setdefault(form, _Kept())
        forms = [frame.form for frame in data.frames.values()]
        self._resolver = references.resolver(data.study, data.form(form), forms=forms)

    def rule(self, logic: str) -> Rule:
        """Compile logic once; a rule that cannot be run says why and is otherwise harmless."""
        rules = self._kept.rules
        if logic not in rules:
            rules[logic] = self._compile(logic)
        return rules[logic]

    def _compile(self, logic: str) -> Rule:
        try:
            node = parser.parse(logic)
        except parser.LogicSyntaxError as error:
            return Rule(logic=logic, compiled=None, links=(), refused=f"the logic cannot be read: {error}")
        resolve = self._resolver
        resolve.links = {}
        as_of = self.data.as_of.replace(tzinfo=None)
        compiled = compile_logic(node, self._resolved, as_of=as_of, smart=resolve.smart)
        links = tuple(resolve.links.values())
        if isinstance(compiled, NotExecutable):
            return Rule(
                logic=logic, compiled=None, links=links, refused=f"the logic cannot be evaluated: {compiled.reason}"
            )
        for link in links:
            reason = None if link.column.startswith("_") else self.data.absent(link.form, link.column)
            if reason is not None:
                return Rule(logic=logic, compiled=None, links=links, refused=f"{link.form}.{link.column}: {reason}")
        return Rule(logic=logic, compiled=compiled, links=links)

    def _resolved(self, node: tree.Field) -> Resolved | Unresolved:
        """Resolve a reference; what no row holds need not be asked of each row: most columns are clean."""
        found = self._resolver(node)
        if isinstance(found, Unresolved) or found.unparsable is None:
            return found
        link = self._resolver.links[found.column]
        if not self.data.has_unreadable(link.form, link.column):
            found = replace(found, unparsable=None)
        if not self.data.has_words(link.form, link.column):
            found = replace(found, missing_code=None, takes_codes=True)
        return found

    def run(self, rules: Sequence[Rule]) -> list[Answer]:
        """Evaluate rules in one select; where that fails, one by one, so that one bad rule harms no other."""
        answers = self._kept.answers
        due = {rule.logic: rule for rule in rules if rule.compiled is not None and rule.logic not in answers}
        try:
            found = self._evaluated(list(due.values()))
        except (Exception, pl.exceptions.PanicException):
            found = [self._alone(rule) for rule in due.values()]
        answers |= zip(due, found, strict=True)
        return [self._refusal(rule.refused) if rule.compiled is None else answers[rule.logic] for rule in rules]

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
        truth = pl.Series([None], dtype=pl.Boolean).new_from_index(0, self.data.height(self.form))
        return Answer(truth=truth, reasons=None, refused=reason or UNREADABLE)

    def frame(self, rules: Sequence[Rule]) -> pl.DataFrame:
        """Build the frame that the rules read: the key, then each link's column with ``?`` and ``!``."""
        names = {name for rule in rules if rule.compiled is not None for name in rule.compiled.inputs}
        table = self.data.table(self.form)
        key = [table[name] for name in ("record", "event", "instrument", "instance")]
        for link in dict.fromkeys(link for rule in rules for link in rule.links):
            if link.name in names:
                self._lay(link, names)
        laid = self._kept.laid
        return pl.DataFrame(key + [laid[name] for name in sorted(names & laid.keys())])

    def _lay(self, link: Link, names: Collection[str]) -> None:
        data, form, column = self.data, link.form, link.column
        if link.name in self._kept.laid:
            return
        series = {link.name: data.table(form)[column]}
        if f"{link.name}?" in names:
            series[f"{link.name}?"] = data.unreadable(form, column)
        if f"{link.name}!" in names:
            series[f"{link.name}!"] = data.word(form, column)
        rows = None if link.own else self.rows(link)
        for name, each in series.items():
            laid = each if rows is None else each[rows]
            self._kept.laid[name] = laid.alias(name)

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
