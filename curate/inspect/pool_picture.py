"""Draw predicted errors over samples seen, a line a pool."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from curate.errors import PlanError
from curate.models.extras import load_extra
from curate.selection.bucket_files import Plan
from curate.selection.utility import compare_pools

__all__ = ["write_picture"]

KINDS: Final = (".svg", ".png", ".pdf")
STABLE: Final = {".svg": {"Date": None}, ".png": {"Software": None}, ".pdf": {"CreationDate": None}}
"""What each kind would write of the moment; without it equal curves are equal bytes."""


def write_picture(plan: Plan, budgets: Sequence[int], asked: Sequence[int], path: Path) -> None:
    """Write the curves of all pools over `budgets` to an SVG, PNG or PDF file; dotted lines are what was `asked`.

    Raises PlanError without matplotlib, which the extra `plot` brings, or for another kind of file.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise PlanError(f"--picture {path}: give a file that ends in {', '.join(KINDS)}")
    load_extra("matplotlib", "plot")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "curate", "svg.fonttype": "none"}):
        figure: Any = Figure(figsize=(7.5, 4.5), layout="constrained")
        axes = figure.subplots()
        pools = [compare_pools(plan.buckets, plan.law, seen) for seen in budgets]
        for i, pool in enumerate(pools[0]):
            label = f"best {len(pool.buckets)}: keep {pool.keep_frac:.0%}"
            axes.plot(budgets, [each[i].error for each in pools], label=label)
        axes.plot(budgets, [min(p.error for p in each) for each in pools], "k--", linewidth=1, label="best of all")
        for seen in asked:
            axes.axvline(seen, color="grey", linestyle=":")
        axes.set_xscale("log")
        axes.set_xlabel("samples seen")
        axes.set_ylabel("predicted error")
        axes.legend()
        try:
            figure.savefig(path, metadata=STABLE[kind])
        except OSError as error:
            raise PlanError(f"--picture {path}: {error.strerror or error}") from error
