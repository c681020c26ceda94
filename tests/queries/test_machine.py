"""Let a made-up site, its data managers and its nights do anything in any order; some things never happen."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sync import errors
from sync.queries import chain, desk, reconcile, states, transitions
from sync.queries.model import (
    LIVE,
    Action,
    ActorKind,
    AnswerCode,
    CancelReason,
    CloseReason,
    State,
    Trigger,
)
from tests.queries import samples
from validators.findings import Condition

RECORDS = ("ZJJU-001", "ZJJU-002")
CHECKS = ("LAB-RANGE", "LAB-UNIT")
CELLS = [(record, check) for record in RECORDS for check in CHECKS]
COMMANDS = [t for t in Trigger if t not in (*transitions.MACHINE, Trigger.RENAME, Trigger.MOVE, Trigger.LAPSE)]

#: a cell fails on one of two values, or shows a condition, or has no row (None)
failing = st.sampled_from(["812", "799"])
shown = st.sampled_from([Condition.PASSING, Condition.NOT_EVALUATED, Condition.NOT_APPLICABLE, None])


commands = st.fixed_dictionaries(
    {
        "which": st.integers(0, len(CELLS) - 1),
        "trigger": st.sampled_from(COMMANDS),
        "kind": st.sampled_from([ActorKind.DM, ActorKind.DM, ActorKind.DM, ActorKind.SITE]),
        "reason": st.sampled_from([*CloseReason, *CancelReason]),
        "code": st.sampled_from(AnswerCode),
        "comment": st.sampled_from(["see the source", None]),
        "stale": st.sampled_from([False, False, False, True]),
    }
)


class Centre(RuleBasedStateMachine):
    """Hold a site's cells, its queries and its ledger, and move them at random."""

    @initialize(review=st.booleans(), auto_close=st.booleans(), close=st.booleans())
    def begin(self, review, auto_close, close):
        self.review, self.auto_close = review, auto_close
        self.policy = reconcile.Policy(close_corrected_answers=close)
        self.cells = dict.fromkeys(CELLS, "812") | {CELLS[0]: Condition.PASSING}
        self.held = set()
        self.major = 1
        self.queries = ()
        self.ledger = ()
        self.numbers = {}
        self.next_number = 1
        self.nights = 0
        self.decisions = {}
        self.night(complete=True)

    @rule(
        acts=st.lists(commands, max_size=5),
        changes=st.dictionaries(st.sampled_from(CELLS), failing | shown, max_size=3),
        held=st.none() | st.sampled_from(CELLS),
        upgraded=st.sampled_from([False, False, False, False, True]),
        locked=st.none() | st.just(frozenset()) | st.just(frozenset(RECORDS[:1])),
        complete=st.booleans(),
    )
    def a_day_and_its_night(self, acts, changes, held, upgraded, locked, complete):
        for act in acts:
            self.a_person_acts(**act)
        self.cells |= changes
        self.held = {held}
        self.major += upgraded
        if locked is not None:
            self.policy = replace(self.policy, locked_records=locked)
        self.night(complete=complete)

    # --- what the program and people do -------------------------------------------------------------------------

    def findings(self):
        return [
            samples.finding(
                record=record,
                check=check,
                raw=what,
                version=f"{self.major}.0",
                review=self.review,
                auto_close=self.auto_close,
                held_by="FORM-MISSING" if (record, check) in self.held else None,
            )
            for (record, check), what in self.cells.items()
            if isinstance(what, str) and not isinstance(what, Condition)
        ]

    def judged(self):
        shown = {
            (check, record, "creat"): what
            for (record, check), what in self.cells.items()
            if isinstance(what, Condition)
        }
        return samples.judgement(self.findings(), shown)

    def night(self, *, complete):
        self.nights += 1
        at = samples.START + timedelta(days=self.nights)
        before = {query.number: query for query in self.queries}
        done = reconcile.reconcile(
            self.judged(),
            self.queries,
            study=samples.STUDY,
            project_id=samples.PROJECT,
            at=at,
            run_id=f"run-{self.nights}",
            complete=complete,
            next_number=self.next_number,
            prefix="ZJJU",
            secret=samples.SECRET,
            policy=self.policy,
        )
        self.check_night(before, done, complete)
        self.next_number = done.next_number
        self.store(done.queries, done.drafts)
        self.the_same_night_again_writes_nothing(complete)

    def check_night(self, before, done, complete):
        """Nothing is closed or opened for want of a look, answered queries stay, decisions hold."""
        moved = {draft.number for draft in done.drafts}
        for query in done.queries:
            earlier = before.get(query.number)
            what = self.cells[query.key.record, query.key.check]
            unseen = what is Condition.NOT_EVALUATED or (what is None and not complete)
            if unseen and earlier is not None:
                assert (query.state, query.reason, query.round) == (
                    earlier.state,
                    earlier.reason,
                    earlier.round,
                )
                assert query.evaluated_at == earlier.evaluated_at
                assert query.number not in moved
            if earlier is not None and earlier.state is State.ANSWERED:
                assert query.state in (State.ANSWERED, State.CLOSED), "the machine never re-opens an answer"
            if query.number in self.decisions and what in ("812", "799"):
                same = self.decisions[query.number] == (what, self.major)
                assert not same or query.state not in LIVE, "decided values are not asked about again"
                held = (query.key.record, query.key.check) in self.held
                assert same or held or query.state in LIVE, "other values are"

    def the_same_night_again_writes_nothing(self, complete):
        for run_id in (f"run-{self.nights}", f"run-{self.nights}-again"):
            done = samples.run(
                self.judged(),
                self.queries,
                run_id=run_id,
                complete=complete,
                next_number=self.next_number,
                policy=self.policy,
            )
            assert done.drafts == ()
            assert done.next_number == self.next_number

    def a_person_acts(self, which, trigger, kind, reason, code, comment, stale):
        query = self.queries[which % len(self.queries)]
        act = samples.dm(
            comment,
            at=samples.START + timedelta(days=self.nights, hours=1),
            actor_kind=kind,
            reason=reason,
            answer=code,
            assignee="crc.lin",
        )
        kept = replace(query)
        try:
            after, drafts = desk.decide(query, trigger, act, version=query.version - stale)
        except (errors.IllegalTransition, errors.StaleQuery):
            assert query == kept
            return
        assert not stale
        assert len(drafts) == (2 if trigger is Trigger.CONFIRM else 1)
        self.store(tuple(after if q.number == after.number else q for q in self.queries), drafts)

    def store(self, queries, drafts):
        tip = chain.Tip(seq=len(self.ledger), hash=self.ledger[-1].hash) if self.ledger else chain.Tip()
        self.ledger += tuple(event for event, _ in chain.seal(drafts, tip=tip, secret=samples.SECRET))
        self.queries = queries
        for query in queries:
            self.note_decision(query)

    def note_decision(self, query):
        """Remember, apart from the code under test, for which value a person's decision stands."""
        if query.reason not in states.BOUND:
            self.decisions.pop(query.number, None)
        elif query.number not in self.decisions:
            # the value and version that the query showed when it was decided
            self.decisions[query.number] = (query.raw, int(query.check_version.split(".")[0]))

    # --- what never happens -------------------------------------------------------------------------------------

    @invariant()
    def one_query_a_key(self):
        keys = [query.key for query in self.queries]
        assert len(keys) == len(set(keys))

    @invariant()
    def numbers_stay_with_their_key(self):
        for query in self.queries:
            assert self.numbers.setdefault(query.number, query.key) == query.key
        assert set(self.numbers) == {query.number for query in self.queries}

    @invariant()
    def queries_equal_their_replay(self):
        assert chain.audit(self.queries, self.ledger, secret=samples.SECRET) == ()

    @invariant()
    def every_event_moves_by_a_row_of_the_table(self):
        for event in self.ledger:
            rows = [row for row in transitions.ROWS if row.number == event.rule]
            assert any(row.trigger is event.trigger and row.target is event.to_state for row in rows)
            if event.action is Action.CLOSED:
                assert event.trigger in (Trigger.PASSING, Trigger.NOT_APPLICABLE)
            assert event.trigger is not Trigger.NOT_EVALUATED

    @invariant()
    def rounds_are_openings(self):
        for query in self.queries:
            opened = [
                e
                for e in self.ledger
                if e.number == query.number and e.to_state is State.OPEN and e.from_state is not State.OPEN
            ]
            assert query.round == len(opened)
            assert query.opened_at == (opened[-1].at if opened else None)


TestCentre = Centre.TestCase
TestCentre.settings = settings(max_examples=80, stateful_step_count=20, deadline=None, derandomize=True)
