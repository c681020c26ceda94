"""Follow each row of the reference's transition table (queries 8.3), by its number, through run and desk."""

from dataclasses import replace

import pytest

from sync import errors
from sync.queries import desk
from sync.queries.model import Action, ActorKind, AnswerCode, CancelReason, CloseReason, State
from sync.queries.reconcile import Policy
from tests.queries import samples
from validators.findings import Condition

BAD = samples.finding()
OTHER_BAD = samples.finding(raw="799")


def again(queries, item=BAD, *, run_id="run-3", **more):
    """Run once more over queries of an earlier run, with one finding."""
    return samples.run(samples.judgement([item]), queries, run_id=run_id, **more)


def without(queries, condition, *, run_id="run-3", **more):
    """Run once more with nothing found and a condition at the first query's place."""
    return samples.run(samples.seen(queries[0], condition), queries, run_id=run_id, **more)


class TestRow01:
    def test_a_failing_check_asks_the_site(self):
        done = samples.run(samples.judgement([BAD]))
        (query,) = done.queries
        assert (query.state, query.number, query.round) == (State.OPEN, "ZJJU-000002", 1)
        assert (done.opened, done.candidates, done.next_number) == (1, 0, 3)
        (draft,) = done.drafts
        assert (draft.action, draft.rule, draft.from_state, draft.new_raw) == (Action.RAISED, "1", None, "812")

    def test_a_reviewed_check_waits_as_candidate(self):
        done = samples.run(samples.judgement([samples.finding(review=True)]))
        assert done.queries[0].state is State.CANDIDATE
        assert done.queries[0].round == 0
        assert (done.opened, done.candidates) == (0, 1)

    def test_held_while_a_graver_finding_stands(self):
        held = samples.finding(held_by="FORM-MISSING")
        done = samples.run(samples.judgement([held]))
        assert (done.queries, done.drafts, done.held, done.next_number) == ((), (), 1, 2)
        released = samples.run(samples.judgement([BAD]), done.queries, run_id="run-3")
        assert released.opened == 1

    def test_a_finding_for_the_monitor_asks_nobody(self):
        done = samples.run(samples.judgement([samples.finding(raises_query=False)]))
        assert (done.queries, done.held) == ((), 0)


class TestRow02:
    def test_release_opens(self):
        query, (draft,) = desk.release(samples.query(State.CANDIDATE), samples.dm())
        assert (query.state, query.round, query.opened_at) == (State.OPEN, 1, samples.dm().at)
        assert draft.action is Action.RELEASED

    def test_reject_cancels_for_these_values(self):
        query, _ = desk.reject(samples.query(State.CANDIDATE), samples.dm())
        assert (query.state, query.reason) == (State.CANCELLED, CancelReason.REJECTED)
        assert again([query]).drafts == ()
        assert again([query], OTHER_BAD).queries[0].state is State.OPEN
        assert again([query], replace(OTHER_BAD, review_before_release=True)).queries[0].state is State.CANDIDATE

    def test_passing_cancels_by_itself(self):
        done = without([samples.query(State.CANDIDATE)], Condition.PASSING)
        assert done.queries[0].reason is CancelReason.AUTO
        assert (done.cancelled, done.closed) == (1, 0)


class TestRow03:
    def test_passing_closes_as_corrected(self):
        done = without([samples.query()], Condition.PASSING)
        (query,) = done.queries
        assert (query.state, query.reason) == (State.CLOSED, CloseReason.CORRECTED)
        (draft,) = done.drafts
        assert (draft.actor_kind, draft.action, draft.old_raw) == (ActorKind.SYSTEM, Action.CLOSED, "812")
        assert done.closed == 1

    def test_the_new_value_is_kept_where_the_caller_knows_it(self):
        class Cells:
            def at(self, *, row, field):
                return ("81", "81.0") if (row.record, field) == ("ZJJU-001", "creat") else None

        done = without([samples.query()], Condition.PASSING, cells=Cells())
        assert (done.drafts[0].new_raw, done.drafts[0].new_value) == ("81", "81.0")

    def test_without_auto_close_the_system_answers(self):
        done = without([samples.query(auto_close=False)], Condition.PASSING)
        (query,) = done.queries
        assert (query.state, query.answer) == (State.ANSWERED, AnswerCode.DATA_CHANGED)
        assert query.ready_to_close
        assert (done.closed, done.answered) == (0, 1)

    def test_a_system_answer_taken_back_by_the_data_is_flagged(self):
        answered = without([samples.query(auto_close=False)], Condition.PASSING).queries
        back = again(answered, run_id="run-4")
        (query,) = back.queries
        assert query.state is State.ANSWERED
        assert query.changed_since_answer
        assert not query.ready_to_close
        assert again(back.queries, run_id="run-5").drafts == ()

    def test_a_person_who_asks_about_a_passing_value_is_not_undone_overnight(self):
        closed = without([samples.query()], Condition.PASSING).queries[0]
        reopened, _ = desk.reopen(closed, samples.dm("the wrong patient's value?"))
        kept = without([reopened], Condition.PASSING, run_id="run-4")
        assert kept.queries[0].state is State.OPEN
        assert kept.drafts == ()
        failing = again(kept.queries, run_id="run-5")
        passed = without(failing.queries, Condition.PASSING, run_id="run-6")
        assert passed.queries[0].reason is CloseReason.CORRECTED


class TestRow04:
    def test_an_answer_is_bound_to_its_values(self):
        act = samples.site(source="sha256:ab")
        query, (draft,) = desk.answer(samples.query(), act, code=AnswerCode.CONFIRMED, round=1)
        assert (query.state, query.answer) == (State.ANSWERED, AnswerCode.CONFIRMED)
        assert query.fingerprint_answered == query.fingerprint
        assert (draft.source, draft.actor, draft.actor_kind) == ("sha256:ab", "crc.lin", ActorKind.SITE)

    def test_an_answer_to_an_older_round_is_refused(self):
        with pytest.raises(errors.StaleQuery, match="round 1, the query is in round 2"):
            desk.answer(samples.query(round=2), samples.site(), code=AnswerCode.CONFIRMED, round=1)

    def test_an_answer_may_be_amended_until_it_is_accepted(self):
        query, (draft,) = desk.answer(samples.query(State.ANSWERED), samples.site(), code=AnswerCode.DATA_UNAVAILABLE)
        assert (query.answer, draft.rule) == (AnswerCode.DATA_UNAVAILABLE, "4a")


class TestRow05:
    def test_answered_and_failing_the_same_stays(self):
        done = again([samples.query(State.ANSWERED)])
        assert done.queries[0].state is State.ANSWERED
        assert (done.drafts, done.unchanged) == ((), 1)


class TestRow06:
    def test_answered_and_failing_otherwise_is_flagged_once(self):
        done = again([samples.query(State.ANSWERED)], OTHER_BAD)
        (query,) = done.queries
        assert query.state is State.ANSWERED
        assert query.changed_since_answer
        (draft,) = done.drafts
        assert (draft.action, draft.rule, draft.old_raw, draft.new_raw) == (Action.NOTED, "6", "812", "799")
        assert again(done.queries, OTHER_BAD, run_id="run-4").drafts == ()

    def test_the_flag_goes_when_the_answered_values_come_back(self):
        changed = again([samples.query(State.ANSWERED)], OTHER_BAD).queries
        back = again(changed, run_id="run-4")
        assert not back.queries[0].changed_since_answer
        assert len(back.drafts) == 1


class TestRow07:
    def test_answered_and_passing_is_ready_to_close(self):
        done = without([samples.query(State.ANSWERED)], Condition.PASSING)
        assert done.queries[0].state is State.ANSWERED
        assert done.queries[0].ready_to_close
        assert len(done.drafts) == 1
        assert without(done.queries, Condition.PASSING, run_id="run-4").drafts == ()

    @pytest.mark.parametrize(
        ("code", "state"),
        [(AnswerCode.CORRECTED, State.CLOSED), (AnswerCode.CONFIRMED, State.ANSWERED)],
    )
    def test_the_policy_closes_what_was_answered_as_corrected(self, code, state):
        answered = replace(samples.query(State.ANSWERED), answer=code)
        done = without([answered], Condition.PASSING, policy=Policy(close_corrected_answers=True))
        assert done.queries[0].state is state

    def test_the_policy_also_closes_what_was_ready_before(self):
        answered = replace(samples.query(State.ANSWERED), answer=AnswerCode.CORRECTED)
        ready = without([answered], Condition.PASSING).queries
        policy = Policy(close_corrected_answers=True)
        done = without(ready, Condition.PASSING, run_id="run-4", policy=policy)
        assert done.queries[0].reason is CloseReason.CORRECTED


class TestRow08:
    @pytest.mark.parametrize(
        "reason", [r for r in CloseReason if r not in (CloseReason.NOT_APPLICABLE, CloseReason.CORRECTED)]
    )
    def test_accepting_binds_to_the_fingerprint(self, reason):
        query, (draft,) = desk.accept(samples.query(State.ANSWERED), samples.dm(), reason=reason)
        assert (query.state, query.reason) == (State.CLOSED, reason)
        assert query.fingerprint_decided == query.fingerprint
        assert draft.action is Action.ACCEPTED

    def test_corrected_is_accepted_only_while_passing(self):
        answered = samples.query(State.ANSWERED)
        with pytest.raises(errors.IllegalTransition, match="last seen FAILING"):
            desk.accept(answered, samples.dm(), reason=CloseReason.CORRECTED)
        ready = without([answered], Condition.PASSING).queries[0]
        query, _ = desk.accept(ready, samples.dm(), reason=CloseReason.CORRECTED)
        assert query.fingerprint_decided is None

    def test_confirm_is_an_answer_on_behalf_and_an_acceptance(self):
        query, (first, second) = desk.confirm(samples.query(), samples.dm())
        assert (query.state, query.reason, query.version) == (State.CLOSED, CloseReason.CONFIRMED, 3)
        assert (first.action, first.to_state, first.actor) == (Action.ANSWERED, State.ANSWERED, "dm.zhou")
        assert (second.action, second.to_state) == (Action.ACCEPTED, State.CLOSED)
        assert query.answer is AnswerCode.CONFIRMED


class TestRow09:
    def test_requery_asks_once_more(self):
        query, (draft,) = desk.requery(samples.query(State.ANSWERED), samples.dm("which day?"))
        assert (query.state, query.round, query.answer) == (State.OPEN, 2, None)
        assert query.fingerprint_answered is None
        assert draft.comment == "which day?"

    def test_it_needs_a_comment(self):
        with pytest.raises(errors.IllegalTransition, match="comment"):
            desk.requery(samples.query(State.ANSWERED), samples.dm(None))


class TestRow10:
    @pytest.mark.parametrize("item", [BAD, OTHER_BAD], ids=["same values", "other values"])
    def test_corrected_and_failing_again_reopens(self, item):
        done = again([samples.query(State.CLOSED, CloseReason.CORRECTED)], item)
        (query,) = done.queries
        assert (query.state, query.round, query.number) == (State.OPEN, 2, "ZJJU-000001")
        assert (done.reopened, done.opened, done.next_number) == (1, 0, 2)
        assert done.drafts[0].action is Action.REOPENED


ACCEPTED = [
    CloseReason.CONFIRMED,
    CloseReason.DATA_UNAVAILABLE,
    CloseReason.DEVIATION_RECORDED,
    CloseReason.OTHER,
]


class TestRow11:
    @pytest.mark.parametrize("reason", ACCEPTED)
    def test_accepted_and_failing_the_same_stays(self, reason):
        done = again([samples.query(State.CLOSED, reason)])
        assert (done.queries[0].state, done.queries[0].reason) == (State.CLOSED, reason)
        assert (done.drafts, done.accepted, done.reopened) == ((), 1, 0)

    def test_it_stays_after_the_values_went_and_came_back(self):
        passed = without([samples.query(State.CLOSED, CloseReason.CONFIRMED)], Condition.PASSING)
        assert passed.drafts == ()
        assert again(passed.queries, run_id="run-4").accepted == 1


class TestRow12:
    @pytest.mark.parametrize("reason", ACCEPTED)
    def test_other_values_reopen(self, reason):
        done = again([samples.query(State.CLOSED, reason)], OTHER_BAD)
        (query,) = done.queries
        assert (query.state, query.round, query.fingerprint_decided) == (State.OPEN, 2, None)
        assert done.reopened == 1
        assert "812" in query.message["en"]
        assert "before" in query.message["en"]
        assert "此前" in query.message["zh"]

    def test_the_reminder_stays_on_later_runs(self):
        done = again([samples.query(State.CLOSED, CloseReason.CONFIRMED)], OTHER_BAD)
        later = again(done.queries, OTHER_BAD, run_id="run-4")
        assert later.queries[0].message == done.queries[0].message
        assert later.drafts == ()

    @pytest.mark.parametrize(("version", "state"), [("1.9", State.CLOSED), ("2.0", State.OPEN)])
    def test_only_the_major_version_counts(self, version, state):
        done = again([samples.query(State.CLOSED, CloseReason.CONFIRMED)], samples.finding(version=version))
        assert done.queries[0].state is state
        if state is State.OPEN:
            assert "the check or another value" in done.queries[0].message["en"]


class TestRow13:
    @pytest.mark.parametrize("state", [State.OPEN, State.ANSWERED])
    def test_hidden_by_branching_closes(self, state):
        done = without([samples.query(state)], Condition.NOT_APPLICABLE)
        assert done.queries[0].reason is CloseReason.NOT_APPLICABLE
        assert done.drafts[0].actor_kind is ActorKind.SYSTEM

    def test_row_gone_from_a_complete_pull_closes(self):
        done = samples.run(samples.judgement(), [samples.query()], complete=True)
        assert done.queries[0].reason is CloseReason.NOT_APPLICABLE

    def test_row_gone_from_an_incomplete_pull_proves_nothing(self):
        done = samples.run(samples.judgement(), [samples.query()], complete=False)
        assert (done.queries[0].state, done.queries[0].condition) == (State.OPEN, Condition.NOT_EVALUATED)

    def test_the_log_proves_a_deletion(self):
        done = samples.run(samples.judgement(), [samples.query()], complete=False, gone={"ZJJU-001"})
        assert done.queries[0].reason is CloseReason.NOT_APPLICABLE

    def test_applicable_and_failing_again_reopens(self):
        gone = without([samples.query()], Condition.NOT_APPLICABLE)
        done = again(gone.queries, run_id="run-4")
        assert (done.queries[0].state, done.queries[0].round, done.reopened) == (State.OPEN, 2, 1)

    def test_a_candidate_is_cancelled(self):
        done = without([samples.query(State.CANDIDATE)], Condition.NOT_APPLICABLE)
        assert done.queries[0].reason is CancelReason.AUTO


class TestRow14:
    @pytest.mark.parametrize("state", [State.CANDIDATE, State.OPEN, State.ANSWERED])
    def test_not_evaluated_changes_nothing_and_ages(self, state):
        query = samples.query(state)
        done = without([query], Condition.NOT_EVALUATED)
        (after,) = done.queries
        assert (after.state, after.condition) == (state, Condition.NOT_EVALUATED)
        assert after.evaluated_at == query.evaluated_at
        assert (done.drafts, done.unchanged) == ((), 1)

    def test_it_never_opens(self):
        done = without([samples.query(State.CLOSED, CloseReason.CORRECTED)], Condition.NOT_EVALUATED)
        assert done.queries[0].state is State.CLOSED


class TestRow15:
    @pytest.mark.parametrize("state", [State.CANDIDATE, State.OPEN, State.ANSWERED])
    @pytest.mark.parametrize("reason", [CancelReason.CHECK_RETIRED, CancelReason.CHECK_CHANGED])
    def test_a_retired_check_is_cancelled_by_command(self, state, reason):
        query, _ = desk.cancel(samples.query(state), samples.dm(), reason=reason)
        assert (query.state, query.reason) == (State.CANCELLED, reason)

    def test_no_run_does_it(self):
        done = without([samples.query()], Condition.NOT_EVALUATED)
        assert done.queries[0].state is State.OPEN

    def test_a_check_back_in_service_asks_again(self):
        done = again([samples.query(State.CANCELLED, CancelReason.CHECK_RETIRED)])
        assert (done.queries[0].state, done.queries[0].round) == (State.OPEN, 2)


class TestRow16:
    @pytest.mark.parametrize("reason", list(CloseReason))
    def test_a_closed_query_is_reopened_with_a_reason(self, reason):
        query, (draft,) = desk.reopen(samples.query(State.CLOSED, reason), samples.dm("a letter came in"))
        assert (query.state, query.round, query.fingerprint_decided) == (State.OPEN, 2, None)
        assert draft.comment == "a letter came in"

    def test_it_needs_words(self):
        with pytest.raises(errors.IllegalTransition, match="comment"):
            desk.reopen(samples.query(State.CLOSED, CloseReason.CONFIRMED), samples.dm(None))


class TestRow17:
    def test_raised_in_error_stays_for_the_same_values(self):
        query, _ = desk.cancel(samples.query(), samples.dm(), reason=CancelReason.RAISED_IN_ERROR)
        assert again([query]).queries[0].state is State.CANCELLED
        assert again([query]).drafts == ()

    def test_else_it_is_asked_again(self):
        done = again([samples.query(State.CANCELLED, CancelReason.RAISED_IN_ERROR)], OTHER_BAD)
        assert (done.queries[0].state, done.queries[0].round) == (State.OPEN, 2)


class TestRow18:
    LOCKED = (Policy(site_locked=True), Policy(locked_records=frozenset({"ZJJU-001"})))

    @pytest.mark.parametrize("policy", LOCKED, ids=["site", "record"])
    def test_a_new_finding_after_the_lock_is_a_candidate(self, policy):
        (query,) = samples.run(samples.judgement([BAD]), policy=policy).queries
        assert (query.state, query.post_lock, query.opened_at) == (State.CANDIDATE, True, None)

    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            (State.CLOSED, CloseReason.CORRECTED),
            (State.CLOSED, CloseReason.CONFIRMED),
            (State.CLOSED, CloseReason.OTHER),
            (State.CLOSED, CloseReason.NOT_APPLICABLE),
            (State.CANCELLED, CancelReason.RAISED_IN_ERROR),
            (State.CANCELLED, CancelReason.CHECK_CHANGED),
        ],
    )
    def test_nor_is_an_old_query_reopened_in_silence(self, state, reason):
        done = again([samples.query(state, reason)], OTHER_BAD, policy=self.LOCKED[0])
        (query,) = done.queries
        assert (query.state, query.post_lock, query.round) == (State.CANDIDATE, True, 1)
        assert (done.reopened, done.candidates) == (0, 1)
        released, _ = desk.release(query, samples.dm())
        assert (released.state, released.round, released.post_lock) == (State.OPEN, 2, True)

    def test_other_records_go_on(self):
        policy = Policy(locked_records=frozenset({"ZJJU-009"}))
        assert samples.run(samples.judgement([BAD]), policy=policy).queries[0].state is State.OPEN

    def test_open_queries_still_close(self):
        done = without([samples.query()], Condition.PASSING, policy=self.LOCKED[0])
        assert done.queries[0].reason is CloseReason.CORRECTED
