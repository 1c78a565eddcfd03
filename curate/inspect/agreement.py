"""Compare what two runs say about the same images: a teacher's captions and those of the student it taught."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa
from rich.console import Group
from rich.table import Table
from rich.text import Text

from curate.errors import PlanError
from curate.inspect.view import open_view
from curate.storage.store import Store

__all__ = ["Agreement", "agreement"]

TEXTS: Final = ("best_caption", "final_caption", "caption")
EVIDENCE: Final = ("object_precision", "object_recall", "text_recall", "wrong_claims")
AXES: Final = ("vir", "ita")
SUPPORTED: Final = "lambda c: c.verdict = 'supported'"
KEPT: Final = "dropped_by IS NULL AND error IS NULL"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two runs agree on, over the images that both describe; null where neither or only one measured it.

    `means` holds for each measure of evidence the mean of the teacher and of the student. `overlap` is the mean share
    of claims (kind and words, as `..._verdicts` has them) that both make, of those that either makes; `taken_up` the
    share of the teacher's supported claims that the student makes too; `scores` for each axis of a judge the share of
    images whose scores are equal, and the mean difference.
    """

    text: str
    images: int
    means: dict[str, tuple[float | None, float | None]]
    overlap: float | None
    taken_up: float | None
    scores: dict[str, tuple[float | None, float | None]]

    def __rich__(self) -> Group:
        table = Table("mean", "teacher", "student", title=f"{self.text} of {self.images:,} images that both describe")
        for name, pair in self.means.items():
            table.add_row(name, *map(_number, pair))
        lines = [
            f"claims that both make, of those that either makes: {_number(self.overlap)}",
            f"supported claims of the teacher that the student makes too: {_number(self.taken_up)}",
        ]
        lines += [
            f"{axis}: equal {_number(equal)}, mean difference {_number(far)}"
            for axis, (equal, far) in self.scores.items()
        ]
        return Group(table, *map(Text, lines))


def agreement(teacher: Store, student: Store, text: str | None = None) -> Agreement:
    """Return how far the newest runs of two datasets agree on the images that both kept, joined by uid.

    `text` is the column of the caption, by default the first that both have with its evidence. Memory is linear in the
    teacher's images. Raises PlanError if there is no such column, or no image that both describe.
    """
    with open_view(teacher) as one, open_view(student) as other:
        names = [_names(one), _names(other)]
        both = [name for name in names[0] if name in names[1]]
        found = text or next((name for name in TEXTS if f"{name}_verdicts" in both), None)
        if found is None or not {found, f"{found}_verdicts"} <= set(both):
            wanted = found or " or ".join(TEXTS)
            raise PlanError(f"not both runs have {wanted} with its evidence; put CaptionEvidence into both recipes")
        measures = [name for name in (*EVIDENCE, *AXES, "verdicts") if f"{found}_{name}" in both]
        mine, yours = (_captions(connection, found, measures) for connection in (one, other))
    joined = duckdb.connect()
    joined.register("t", mine)
    joined.register("s", yours)
    return _compare(joined, found, measures)


def _compare(joined: duckdb.DuckDBPyConnection, text: str, measures: Sequence[str]) -> Agreement:
    def ask(*values: str) -> list[Any]:
        return list(joined.sql(f"SELECT {', '.join(values)} FROM t JOIN s USING (uid)").fetchall()[0])

    (images,) = ask("count(*)")
    if not images:
        raise PlanError(
            f"no image has {text} in both runs: run the student on a held-out part of the teacher's images too"
        )
    means = {name: ask(f"avg(t.{name})", f"avg(s.{name})") for name in EVIDENCE if name in measures}
    both = "len(list_intersect(t.claims, s.claims))"
    either = f"(len(t.claims) + len(s.claims) - {both})"
    overlap, taken_up = ask(
        f"avg({both} / nullif({either}, 0))",
        "sum(len(list_intersect(t.supported, s.claims))) / nullif(sum(len(t.supported)), 0)",
    )
    scores = {
        axis: ask(f"avg(CAST(t.{axis} = s.{axis} AS INT))", f"avg(abs(t.{axis} - s.{axis}))")
        for axis in AXES
        if axis in measures
    }
    pairs = [{name: (pair[0], pair[1]) for name, pair in each.items()} for each in (means, scores)]
    return Agreement(text, images, pairs[0], overlap, taken_up, pairs[1])


def _names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return list(connection.sql("SELECT * FROM samples LIMIT 0").columns)


def _captions(connection: duckdb.DuckDBPyConnection, text: str, measures: Sequence[str]) -> pa.Table:
    """Return what a run says about its kept images: uid, measures, and claims as texts, each once."""
    claims = f'"{text}_verdicts"'
    words = "lambda c: c.kind || ': ' || c.claim"
    columns = [f'"{text}_{name}" AS {name}' for name in measures if name != "verdicts"]
    columns += [
        f"list_distinct(list_transform({claims}, {words})) AS claims",
        f"list_distinct(list_transform(list_filter({claims}, {SUPPORTED}), {words})) AS supported",
    ]
    sql = (
        f'SELECT uid, {", ".join(columns)} FROM samples WHERE {KEPT} AND "{text}" IS NOT NULL AND {claims} IS NOT NULL'
    )
    return connection.sql(sql).to_arrow_table()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
