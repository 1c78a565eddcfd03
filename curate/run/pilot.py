"""The first samples of a run, as its pilot: whether any of them is kept as far as the last segment."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from curate.pipeline import Step
from curate.run.spec import RunSpec
from curate.sources.shard import Shard

__all__ = ["PILOT_SAMPLES", "Pilot"]

PILOT_SAMPLES: Final = 500


@dataclass(slots=True)
class Pilot:
    """Counts rows of the first shards that are through, and what dropped them; `shards` are those of the run.

    Where none of some hundred samples reaches the last segment, somebody has mistaken a bound, and wants to know before
    all of a source was read for nothing. A source sorted by kind may well begin with samples that are rightly dropped:
    then `--allow-empty` goes on. A run that ends before, with its last shard, has lost nothing: it is not stopped.
    """

    spec: RunSpec
    segments: int
    shards: int
    rows: dict[str, list[int]] = field(default_factory=dict)
    sums: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    through: int = 0
    over: bool = False

    def see(self, shard: Shard, rows: tuple[int, ...]) -> str | None:
        """Count a shard's rows in the segments of a pool that it has left; return why to stop the run, at most once."""
        if self.over:
            return None
        each = self.rows.setdefault(shard.name, [])
        each.extend(rows)
        if len(each) < self.segments:
            return None
        self.through += 1
        self.sums.update(dict(enumerate(self.rows.pop(shard.name))))
        verdict = self.spec.cells.store.read_table(self.spec.cells.path(self.spec.verdict_id, shard.name))
        for name in verdict.column_names:
            if name.endswith("dropped_by"):
                self.reasons.update(reason for reason in verdict[name].to_pylist() if reason is not None)
        kept = self.sums[self.segments - 1] > 0
        self.over = kept or self.sums[0] >= PILOT_SAMPLES
        if kept or not self.over or self.through == self.shards:
            return None
        most = (
            f"most often by {self.reasons.most_common(1)[0][0]}" if self.reasons else "by errors: see `curate errors`"
        )
        return (
            f"none of the first {self.sums[0]:,} samples is kept as far as {self._name()}: dropped {most}; change that "
            "bound, or pass --allow-empty to go on, as a later part of the source may be of another kind"
        )

    def _name(self) -> str:
        """Return the experts of the last segment, as people call them."""
        last = self.spec.segments()[-1]
        steps: tuple[Step, ...] = self.spec.steps[last.first : last.stop]
        return ", ".join(step.label for step in steps if step.stage in last.experts)
