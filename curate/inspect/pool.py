"""Say how much of a pool to keep for a training budget: a table of pools, and the choice over all budgets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curate.errors import PlanError
from curate.inspect.pool_picture import write_picture
from curate.inspect.tables import printable
from curate.selection.bucket_files import Form, Plan, plan_text, read_plan
from curate.selection.fit import HALF_LIVES
from curate.selection.utility import PoolError, best_pool, compare_pools

__all__ = ["budgets_around", "pool_report"]

WIDTH: Final = 30  # characters of a bar
AROUND: Final = 16  # the curve goes this many times below and above the budgets that were asked for
FAR: Final = 10  # times the longest run: what is said of more is a guess


def pool_report(
    path: Path,
    samples_seen: Sequence[int],
    form: Form | None = None,
    picture: Path | None = None,
    save: Path | None = None,
) -> Group:
    """Return what `curate pool` prints: the fit, a table per budget, and the best pool for budgets around them."""
    if bad := [seen for seen in samples_seen if seen < 1]:
        raise PlanError(f"--samples-seen {bad[0]}: give 1 or more")
    plan, asked = read_plan(path, form), sorted(set(samples_seen))
    parts: list[RenderableType] = [_buckets_table(plan)]
    parts += [part for seen in asked for part in _answer(plan, seen)]
    parts.append(_curve(plan, asked))
    parts += [Text(note) for note in _notes(plan, asked)]
    if save is not None:
        save.write_text(plan_text(plan), encoding="utf-8")
        parts.append(Text(f"buckets written to {save}"))
    if picture is not None:
        write_picture(plan, _budgets(plan, asked, 12), asked, picture)
        parts.append(Text(f"picture written to {picture}"))
    return Group(*parts)


def budgets_around(asked: Sequence[int], a_decade: int) -> list[int]:
    """Return budgets in equal ratios from 16 times below to 16 times above what was asked, what was asked included.

    >>> budgets_around([1_000], 2)[:4]
    [62, 196, 620, 1000]
    """
    low, high = max(1, min(asked) // AROUND), max(asked) * AROUND
    steps, ratio = [low], 10 ** (1 / a_decade)
    while steps[-1] * ratio <= high:
        steps.append(max(steps[-1] + 1, round(low * ratio ** len(steps))))
    return sorted({*steps, *asked})


def _buckets_table(plan: Plan) -> Table:
    law, fitted = plan.law, plan.fit is not None
    what = "fitted to the runs" if fitted else "as given"
    title = f"Buckets, {what}: scale {law.scale:.4g}, irreducible error {law.irreducible_error:.4g}, form {law.form}"
    table = Table(title=title, title_justify="left")
    for name in ("bucket", "samples", "utility", "half-life", *(["rms error"] if fitted else [])):
        table.add_column(name, justify="left" if name == "bucket" else "right")
    for i, bucket in enumerate(plan.buckets):
        rms = [f"{plan.fit.rms_errors[i]:.4f}"] if plan.fit else []
        values = [f"{bucket.samples:,}", f"{bucket.utility:.4f}", f"{bucket.half_life:.2f} epochs", *rms]
        table.add_row(Text(printable(bucket.name)), *values)
    return table


def _answer(plan: Plan, seen: int) -> list[RenderableType]:
    pools, best = compare_pools(plan.buckets, plan.law, seen), best_pool(plan.buckets, plan.law, seen)
    table = Table(title=f"{seen:,} samples seen", title_justify="left")
    for name in ("keep", "samples", "epochs", "predicted error", ""):
        table.add_column(name, justify="right" if name else "left")
    lowest, highest = best.error, max(pool.error for pool in pools)
    for pool in pools:
        bar = _bar((pool.error - lowest) / (highest - lowest) if highest > lowest else 0.0)
        mark = "best" if pool == best else bar
        table.add_row(f"{pool.keep_frac:.1%}", f"{pool.samples:,}", f"{pool.epochs:.2f}", f"{pool.error:.4f}", mark)
    names = ", ".join(map(printable, best.buckets))
    sentence = f"keep {best.keep_frac:.1%}, {best.samples:,} samples ({names}), each seen {best.epochs:.2f} times"
    return [table, Text(sentence)]


def _curve(plan: Plan, asked: Sequence[int]) -> Table:
    """Return the best pool for each budget, its share of the samples as a bar."""
    table = Table(title="How much to keep, by budget", title_justify="left")
    for name in ("samples seen", "keep", "", "predicted error"):
        table.add_column(name, justify="right" if name else "left")
    for seen in _budgets(plan, asked, 4):
        best: PoolError = best_pool(plan.buckets, plan.law, seen)
        style = "bold" if seen in asked else None
        cells = [f"{seen:,}", f"{best.keep_frac:.1%}", _bar(best.keep_frac), f"{best.error:.4f}"]
        table.add_row(*cells, style=style)
    return table


def _budgets(plan: Plan, asked: Sequence[int], a_decade: int) -> list[int]:
    """Return the budgets of a curve, less those that were not asked for and at which the law says nothing."""
    return [seen for seen in budgets_around(asked, a_decade) if seen in asked or seen >= _least(plan)]


def _least(plan: Plan) -> float:
    """Return the samples after which the law begins: fewer, and it calls the worst bucket the best."""
    return plan.law.normaliser / plan.law.scale


def _notes(plan: Plan, asked: Sequence[int]) -> list[str]:
    longest, notes = plan.longest_run, []
    if min(asked) < _least(plan):
        notes.append(
            f"{min(asked):,} samples seen are below normaliser / scale = {_least(plan):,.0f}, where the law begins: "
            "what it says of them is not to be used"
        )
    if longest is not None and max(asked) > FAR * longest:
        notes.append(
            f"{max(asked):,} samples seen are {max(asked) / longest:.0f} times the longest run ({longest:,}): "
            "what is said of them is a guess"
        )
    tireless = [bucket for bucket in (plan.fit.buckets if plan.fit else ()) if bucket.half_life >= 0.99 * HALF_LIVES[1]]
    notes += [
        f"the runs of {printable(bucket.name)} show no loss by repetition: its half-life is at the bound of the "
        "fit, so the answer never asks for more data; train longer, or do not trust it"
        for bucket in tireless
    ]
    return notes


def _bar(share: float) -> str:
    return "█" * round(WIDTH * share)
