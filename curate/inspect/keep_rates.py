"""Show how much of each language or domain a run keeps, and what each filter takes of it, so that bias is visible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curate.dataset.manifest import Manifest, find_run
from curate.errors import PlanError
from curate.inspect.labels import wilson
from curate.inspect.query import query
from curate.inspect.tables import printable
from curate.storage.store import Store

__all__ = ["KeepRate", "keep_rates", "rates_report"]

HOST: Final = r'"(?:url|URL)"\s*:\s*"[a-zA-Z]+://(?:[^/"@]*@)?(?:www\.)?([^/":?#]+)'
GROUPS: Final = {"domain": f"lower(nullif(regexp_extract(metadata, '{HOST}', 1), ''))", "language": "text_language"}
NONE: Final = "(none)"
SHOWN, ACROSS = 20, 6  # groups down, and groups beside the filters
KEPT: Final = "dropped_by IS NULL AND error IS NULL"


@dataclass(frozen=True, slots=True)
class KeepRate:
    """One group: its samples, how many are kept, and how many each filter or error took, most first."""

    group: str
    samples: int
    kept: int
    taken: Mapping[str, int]

    @property
    def rate(self) -> float:
        return self.kept / self.samples

    def differs(self, rate: float) -> bool:
        """Tell whether the group's rate is not that of all: outside of Wilson's interval, three deviations wide."""
        low, high = wilson(self.kept, self.samples, z=3.0)
        return not low <= rate <= high


def keep_rates(store: Store, manifest: Manifest, by: str) -> list[KeepRate]:
    """Return the groups of a run by language, domain (host of the metadata's url) or another column, largest first.

    Raises PlanError if the run has no such column.
    """
    columns = [name for stage in manifest.stages for name in stage.schema().names]
    if by == "language" and GROUPS[by] not in columns:
        raise PlanError("the run has no languages: put TextFacts into its recipe, or give --by domain or a column")
    group = GROUPS.get(by) or '"' + by.replace('"', '""') + '"'
    why = "CASE WHEN error IS NOT NULL THEN 'error' ELSE dropped_by END"
    sql = f'SELECT CAST({group} AS VARCHAR) AS "group", {why} AS why, count(*) AS n FROM samples GROUP BY ALL'
    counts: dict[str, dict[str | None, int]] = {}
    for row in query(store, sql, manifest.id).to_pylist():
        counts.setdefault(row["group"] or NONE, {})[row["why"]] = row["n"]
    rates = [_rate(name, taken) for name, taken in counts.items()]
    return sorted(rates, key=lambda rate: (-rate.samples, rate.group))


def rates_report(store: Store, run_id: str | None, by: str) -> RenderableType:
    """Return the keep rates of the largest groups, and which share of each the filters take."""
    manifest = find_run(store, run_id)
    rates = keep_rates(store, manifest, by)
    if not rates:
        raise PlanError(f"run {manifest.id} has no samples")
    total = _sum(rates, "all")
    shown = rates[:SHOWN] + ([_sum(rates[SHOWN:], f"{len(rates) - SHOWN:,} others")] if len(rates) > SHOWN else [])
    head = Text(f"run {manifest.id}: kept {total.kept:,} of {total.samples:,} samples, {total.rate:.1%}, by {by}")
    note = Text("* differs from all by more than chance (three standard deviations)")
    return Group(head, _rates(shown, total), note, Text(""), _filters(manifest, [*rates[:ACROSS], total]))


def _rate(group: str, taken: Mapping[str | None, int]) -> KeepRate:
    gone = sorted(((why, n) for why, n in taken.items() if why is not None), key=lambda pair: (-pair[1], pair[0]))
    return KeepRate(group, sum(taken.values()), taken.get(None, 0), dict(gone))


def _sum(rates: Sequence[KeepRate], name: str) -> KeepRate:
    taken: dict[str | None, int] = {None: sum(rate.kept for rate in rates)}
    for rate in rates:
        for why, n in rate.taken.items():
            taken[why] = taken.get(why, 0) + n
    return _rate(name, taken)


def _rates(rates: Sequence[KeepRate], total: KeepRate) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("group", "samples", "kept", "rate", "of the mean", "taken most by"):
        table.add_column(name, justify="left" if name in ("group", "taken most by") else "right")
    for rate in rates:
        ratio = "-" if not total.kept else f"{rate.rate / total.rate:.2f}{'*' if rate.differs(total.rate) else ' '}"
        most = next((f"{_short(why)} ({n / rate.samples:.1%})" for why, n in rate.taken.items()), "-")
        counts = f"{rate.samples:,}", f"{rate.kept:,}", f"{rate.rate:.1%}"
        table.add_row(Text(printable(rate.group, 60)), *counts, ratio, Text(printable(most, 80)))
    return table


def _filters(manifest: Manifest, rates: Sequence[KeepRate]) -> Table:
    """Return which share of each group's samples a filter took, in pipeline order; unmeasured ones are its too."""
    table = Table(box=None, pad_edge=False)
    table.add_column("taken by")
    for rate in rates:
        table.add_column(Text(printable(rate.group, 24)), justify="right")
    names = [
        (stage.repr, (stage.repr, f"unmeasured: {stage.repr}")) for stage in manifest.stages if stage.kind == "filter"
    ]
    for name, whys in [*names, ("error", ("error",))]:
        shares = [sum(rate.taken.get(why, 0) for why in whys) / rate.samples for rate in rates]
        table.add_row(Text(printable(_short(name), 60)), *(f"{share:.1%}" for share in shares))
    return table


def _short(why: Any) -> str:
    return str(why) if len(str(why)) <= 60 else f"{str(why)[:57]}..."
