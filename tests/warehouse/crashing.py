"""Begin a run's transaction and stop in the middle of it, for a test to kill (started as a program of its own)."""

import sys
import time
from dataclasses import replace

from sync.queries import states
from sync.warehouse.store import SqlWarehouse
from tests.queries import samples
from tests.warehouse import building as b

ITEM = replace(samples.finding(), row=b.key("ZJ-001"))
QUERY, DRAFTS = states.raise_query(samples.key_of(ITEM), "ZJ-000001", samples.sight(ITEM), samples.system())


def night(warehouse, number, creat, *, pause=False):
    """Write everything that a run writes; pause before the end, once all is written but not committed."""
    rows = {(f"ZJ-{n:03d}", "day_0", 1): {"creat": creat + n, "remark": "x"} for n in range(50)}
    with (
        warehouse.site_lock(b.SITE),
        warehouse.transaction(b.SITE, f"run-{number}", b.moment(number)) as transaction,
    ):
        transaction.store([b.frame(b.LABS, rows)], mapping_version="1", complete=True)
        if not transaction.queries():
            transaction.put_queries(DRAFTS, [QUERY])
        transaction.quarantine([QUERY.key.row])
        transaction.put_state("cursor", {"night": number})
        transaction.finish_run(b.run_row(number))
        if pause:
            print("written", flush=True)
            time.sleep(60)


if __name__ == "__main__":
    night(SqlWarehouse(sys.argv[1], b.STUDY, secret=b.SECRET), 1, 70.0, pause=True)
