"""The same nights leave the same on SQLite and on PostgreSQL."""

from datetime import timedelta

import pytest

from sync.ports.stored import QueryFilter
from sync.queries.model import AnswerCode, Trigger
from sync.workflows import desk
from tests.acceptance.test_faults import work
from tests.workflows import small


@pytest.mark.postgres
def test_both_databases_hold_the_same_after_the_same_nights(tmp_path, postgres_url):
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        apps = {name: trial.app(name, warehouse=url) for name, url in (("lite", ""), ("post", postgres_url))}

        def night(**options: bool) -> None:
            at = trial.clock.at
            for app in apps.values():
                trial.clock.at = at
                assert small.run_night(app, **options).exit_code == 0

        night()
        work(trial)
        trial.move(timedelta(hours=30))
        night()
        answer = desk.Decision(trigger=Trigger.ANSWER, actor="tester", answer=AnswerCode.CONFIRMED, comment="made up")
        numbers = [query.number for query in apps["lite"].warehouse().reader().queries(QueryFilter(states=("OPEN",)))]
        for app in apps.values():
            desk.decide(app, numbers[:2], answer)
        trial.move(timedelta(hours=24))
        night(full=True)
        lite, post = trial.dump("lite"), trial.dump("post")
        assert lite.keys() == post.keys()
        assert all(lite[name] for name in ("query", "query_event", "cell_change", "row_end", "record_end"))
        for table, rows in lite.items():
            assert rows == post[table], table
