"""The first samples of a run, as its pilot: whether any of them is kept as far as the last segment."""

from collections import Counter
from dataclasses import dataclass, field

from curate.pipeline import Step
from curate.run.pace import PILOT_ROWS
from curate.run.spec import RunSpec
from curate.sources.shard import Shard

__all__ = ["Pilot"]


@dataclass(slots=True)
class Pilot:
    """Counts rows of the first shards that are through, and what dropped them.

    That nothing is kept is no error: a source sorted by kind may well begin with samples of which a filter rightly
    drops all, and what stops a run there is `FailureLimits(max_drop_frac=...)`. But whoever has mistaken a bound wants
    to know now, and pools behind such a filter cannot be sized.
    """

    spec: RunSpec
    segments: int
    rows: dict[str, list[int]] = field(default_factory=dict)
    sums: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    over: bool = False

    def see(self, shard: Shard, rows: tuple[int, ...]) -> str | None:
        """Count a shard's rows in the segments of a pool that it has left; return what is to be said, once."""
        if self.over:
            return None
        each = self.rows.setdefault(shard.name, [])
        each.extend(rows)
        if len(each) < self.segments:
            return None
        self.sums.update(dict(enumerate(self.rows.pop(shard.name))))
        verdict = self.spec.cells.store.read_table(self.spec.cells.path(self.spec.verdict_id, shard.name))
        self.reasons.update(reason for reason in verdict["dropped_by"].to_pylist() if reason is not None)
        self.over = self.sums[self.segments - 1] > 0 or self.sums[0] >= PILOT_ROWS
        if not self.over or self.sums[self.segments - 1]:
            return None
        most = (
            f"most often by {self.reasons.most_common(1)[0][0]}" if self.reasons else "by errors: see `curate errors`"
        )
        return (
            f"none of the first {self.sums[0]:,} samples is kept as far as {self._name()}: dropped {most}; the run "
            "goes on, as a later part of the source may be of another kind; if not, stop it and change that bound"
        )

    def _name(self) -> str:
        """Return the experts of the last segment, as people call them."""
        last = self.spec.segments()[-1]
        steps: tuple[Step, ...] = self.spec.steps[last.first : last.stop]
        return ", ".join(step.label for step in steps if step.stage in last.experts)
