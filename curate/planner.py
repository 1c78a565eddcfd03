"""What a run would have to do: looked up from the names of cells and, where needed, from their columns."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from curate.columns import SAMPLE_STAGE
from curate.errors import PlanError
from curate.settle import Job, read_samples, replay_shard
from curate.sources import count
from curate.sources.shard import Shard
from curate.stages import Expert, stage_id, stage_name

__all__ = ["Plan", "ShardPlan", "limit_shards", "make_plan"]


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """What one shard waits for: "done" has a verdict, "new" was never read, "open" lacks the rows in `waits`.

    `waits` counts rows by stage index; rows of later stages come on top, as far as they stay alive. `rows` is null
    when the shard was not opened.
    """

    shard: Shard
    state: Literal["done", "new", "open"]
    rows: int | None
    waits: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Plan:
    """All shards of a run."""

    job: Job
    shards: list[ShardPlan]

    @property
    def unfinished(self) -> list[Shard]:
        return [each.shard for each in self.shards if each.state != "done"]

    @property
    def needs_workers(self) -> bool:
        """Tell whether anything has to be read or measured, rather than decided from columns alone."""
        return any(each.state == "new" or each.waits for each in self.shards)

    def waiting(self) -> list[tuple[str, str, int]]:
        """Return (stage name, stage id, rows that wait for it first) for every expert, in order."""
        total: Counter[int] = Counter()
        for each in self.shards:
            total.update(each.waits)
            if each.state == "new":
                total[self._first_expert()] += each.rows or 0
        stages = enumerate(self.job.pipeline.stages)
        return [(stage_name(s), stage_id(s), total[i]) for i, s in stages if isinstance(s, Expert)]

    def _first_expert(self) -> int:
        stages = enumerate(self.job.pipeline.stages)
        return next((i for i, stage in stages if isinstance(stage, Expert)), 0)


def make_plan(job: Job, shards: Sequence[Shard], count_new: bool = True) -> Plan:
    """Look up what is there and return what is missing; reads no pixels, loads no models.

    Two folder listings tell done, new and open shards apart; only open ones have their columns read. With
    `count_new`, new shards are opened to count their samples.
    """
    listing = job.columns.store.list
    decided = set(listing(f"columns/{job.verdict_id}"))
    sampled = set(listing(f"columns/{SAMPLE_STAGE}"))
    failed = set(listing("errors")) if job.retry is not None else set()

    def look(shard: Shard) -> ShardPlan:
        cell = f"{shard.name}.parquet"
        if cell in decided and cell not in failed:
            return ShardPlan(shard, "done", None)
        if cell not in sampled:
            return ShardPlan(shard, "new", count(shard) if count_new else None)
        waits = waiting_rows(job, shard)
        done = cell in decided and not waits
        rows = len(read_samples(job, shard)) if not done else None
        return ShardPlan(shard, "done" if done else "open", rows, waits)

    with ThreadPoolExecutor(8) as threads:
        return Plan(job, list(threads.map(look, shards)))


def waiting_rows(job: Job, shard: Shard) -> Counter[int]:
    """Count the rows of a shard that wait for a stage, by stage index."""
    waits_for = replay_shard(job, shard, read_samples(job, shard)).waits_for
    stages, rows = np.unique(waits_for[waits_for >= 0], return_counts=True)
    return Counter({int(stage): int(n) for stage, n in zip(stages, rows, strict=True)})


def limit_shards(shards: Sequence[Shard], limit: int | None) -> list[Shard]:
    """Keep the first `limit` samples, in source order: whole shards, then the first rows of one."""
    if limit is None:
        return list(shards)
    if limit < 1:
        raise PlanError(f"--limit {limit} leaves nothing to do; give 1 or more")
    kept: list[Shard] = []
    for shard in shards:
        rows = count(shard)
        kept.append(shard if rows <= limit else replace(shard, limit=limit))
        limit -= min(rows, limit)
        if limit == 0:
            break
    return kept
