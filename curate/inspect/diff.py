"""What changed between two runs of a dataset: which samples came in, which went out, and why."""

from dataclasses import dataclass

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curate.dataset.manifest import load, run_ids
from curate.errors import PlanError
from curate.inspect.all_runs import query_runs
from curate.inspect.samples_sql import text
from curate.inspect.tables import printable
from curate.storage.store import Store

__all__ = ["Diff", "changes", "diff"]

LONGEST = 200  # characters of a reason
FATE = "CASE WHEN dropped_by IS NOT NULL THEN dropped_by WHEN error IS NOT NULL THEN error ELSE 'kept' END"
ABSENT = "not in the run"


@dataclass(frozen=True, slots=True)
class Diff:
    """Two runs, and per pair of fates how many samples had them, with one as an example; the most first."""

    before: str
    after: str
    rows: tuple[tuple[str, str, int, str], ...]

    def count(self, before: bool, after: bool) -> int:
        """Return how many samples were kept, or not, by each of the two."""
        return sum(n for was, now, n, _ in self.rows if (was == "kept") is before and (now == "kept") is after)

    def __rich__(self) -> RenderableType:
        head = [
            f"{self.before} -> {self.after}",
            f"kept by both: {self.count(True, True):,}; came in: {self.count(False, True):,}; "
            f"went out: {self.count(True, False):,}; kept by neither: {self.count(False, False):,}",
        ]
        table = Table(box=None, pad_edge=False)
        for name in ("samples", "before", "after", "for example"):
            table.add_column(name, justify="right" if name == "samples" else "left", overflow="fold")
        for was, now, n, uid in self.rows:
            if was != now:
                table.add_row(f"{n:,}", Text(printable(was, LONGEST)), Text(printable(now, LONGEST)), uid[:12])
        return Group(Text("\n".join(head)), table if table.row_count else Text("no sample has another fate"))


def diff(store: Store, before: str | None = None, after: str | None = None) -> Diff:
    """Compare two runs, the newest two by default. Raises PlanError if one of them is not there."""
    before, after = _runs(store, before, after)
    counts = f"SELECT was, now, count(*) AS n, min(uid) AS uid FROM ({_both(before, after)}) GROUP BY 1, 2"
    rows = query_runs(store, f"{counts} ORDER BY n DESC, was, now", [before, after]).to_pylist()
    return Diff(before, after, tuple((row["was"], row["now"], row["n"], row["uid"]) for row in rows))


def changes(store: Store, before: str | None = None, after: str | None = None) -> pa.Table:
    """Return `uid`, `shard`, `was` and `now` of the samples whose fate is another, sorted by uid."""
    before, after = _runs(store, before, after)
    return query_runs(store, f"SELECT * FROM ({_both(before, after)}) WHERE was <> now ORDER BY uid", [before, after])


def _runs(store: Store, before: str | None, after: str | None) -> tuple[str, str]:
    runs = run_ids(store)
    after = after or (runs[-1] if runs else None)
    before = before or next((run for run in reversed(runs) if after is not None and run < after), None)
    if before is None or after is None:
        raise PlanError(f"{store.root} has {len(runs)} run{'s' if len(runs) != 1 else ''}; two are needed to compare")
    return load(store, before).id, load(store, after).id


def _both(before: str, after: str) -> str:
    sides = [f"SELECT uid, shard, {FATE} AS fate FROM samples WHERE run = {text(run)}" for run in (before, after)]
    return (
        f"SELECT coalesce(a.uid, b.uid) AS uid, coalesce(a.shard, b.shard) AS shard, "
        f"coalesce(a.fate, {text(ABSENT)}) AS was, coalesce(b.fate, {text(ABSENT)}) AS now "
        f"FROM ({sides[0]}) a FULL JOIN ({sides[1]}) b ON a.uid = b.uid"
    )
