"""What a run would have to do: looked up from the names of cells and, where needed, from their columns."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from curate.errors import PlanError
from curate.run.commit import RunSpec, read_samples, replay_shard
from curate.sources import count
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE, Expert, stage_id, stage_name

__all__ = ["Plan", "ShardPlan", "limit_shards", "make_plan"]


COUNT_AT_ONCE = 16  # shards whose samples are counted together
LOOK_AT = 1_000  # open shards, and new ones, that a plan opens; what it says about the rest is told from these


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """What one shard waits for: "done" has a verdict, "new" was never read, "open" lacks the rows in `waits`.

    `waits` holds (stage index, rows); rows of later stages come on top, as far as they stay alive. `rows` is null
    when the shard was not opened.
    """

    shard: Shard
    state: Literal["done", "new", "open"]
    rows: int | None = None
    waits: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All shards of a run."""

    job: RunSpec
    shards: list[ShardPlan]

    @property
    def unfinished(self) -> list[Shard]:
        return [each.shard for each in self.shards if each.state != "done"]

    @property
    def needs_workers(self) -> bool:
        """Tell whether anything has to be read or measured, rather than decided from columns alone.

        Open shards that were not looked at count as waiting only if some shard is known to.
        """
        return any(each.state == "new" or each.waits for each in self.shards)

    def rows(self) -> int:
        """Return how many samples the unfinished shards hold; see `exact`."""
        return round(sum((each.rows or 0) * share for each, share in self._looked_at()))

    def exact(self) -> bool:
        """Tell whether every unfinished shard was opened; else counts of rows are told from those that were."""
        return all(each.rows is not None for each in self.shards if each.state != "done")

    def waiting(self) -> list[tuple[str, str, int]]:
        """Return (stage name, stage id, rows that wait for it first) for every expert, in order; see `exact`."""
        total: dict[int, float] = defaultdict(float)
        for each, share in self._looked_at():
            waits = ((self._first_expert(), each.rows or 0),) if each.state == "new" else each.waits
            for stage, rows in waits:
                total[stage] += rows * share
        stages = enumerate(self.job.pipeline.stages)
        return [(stage_name(s), stage_id(s), round(total[i])) for i, s in stages if isinstance(s, Expert)]

    def _looked_at(self) -> Iterator[tuple[ShardPlan, float]]:
        """Yield the unfinished shards that were opened, and how many of its state each one stands for."""
        states = Counter(each.state for each in self.shards)
        looked = [each for each in self.shards if each.rows is not None and each.state != "done"]
        seen = Counter(each.state for each in looked)
        yield from ((each, states[each.state] / seen[each.state]) for each in looked)

    def _first_expert(self) -> int:
        stages = enumerate(self.job.pipeline.stages)
        return next((i for i, stage in stages if isinstance(stage, Expert)), 0)


def make_plan(job: RunSpec, shards: Sequence[Shard], count_new: bool = True) -> Plan:
    """Look up what is there and return what is missing; reads no pixels, loads no models.

    Two folder listings tell done, new and open shards apart. Of the open ones, the columns of LOOK_AT are read, evenly
    spread; with `count_new`, as many new shards are opened to count their samples.
    """
    states = _states(job, shards)
    plans = [ShardPlan(shard, state) for shard, state in zip(shards, states, strict=True)]
    with ThreadPoolExecutor(8) as threads:
        at = _spread([i for i, state in enumerate(states) if state == "open"])
        for i, plan in zip(at, threads.map(lambda i: _look(job, shards[i]), at), strict=True):
            plans[i] = plan
        at = _spread([i for i, state in enumerate(states) if state == "new"]) if count_new else []
        for i, rows in zip(at, threads.map(lambda i: count(shards[i]), at), strict=True):
            plans[i] = ShardPlan(shards[i], "new", rows)
    return Plan(job, plans)


def _states(job: RunSpec, shards: Sequence[Shard]) -> list[Literal["done", "new", "open"]]:
    """Tell the states apart by the names of cells; with `retry`, finished shards with error rows are open again."""
    decided, failed = (
        job.columns.shards(job.verdict_id),
        job.columns.store.list("errors") if job.retry is not None else (),
    )
    again = {name.removesuffix(".parquet") for name in failed}
    decided -= again
    if all(shard.name in decided for shard in shards):
        return ["done"] * len(shards)
    sampled = job.columns.shards(SAMPLE_STAGE)
    return ["done" if shard.name in decided else "open" if shard.name in sampled else "new" for shard in shards]


def _spread(found: list[int]) -> list[int]:
    """Return LOOK_AT of the indices, evenly spread, or all if there are no more."""
    if len(found) <= LOOK_AT:
        return found
    return [found[i * len(found) // LOOK_AT] for i in range(LOOK_AT)]


def _look(job: RunSpec, shard: Shard) -> ShardPlan:
    """Read the columns of an open shard and count what waits; a retried shard where nothing does is done."""
    sample = read_samples(job, shard)
    waits_for = replay_shard(job, shard, sample).waits_for
    stages, rows = np.unique(waits_for[waits_for >= 0], return_counts=True)
    waits = tuple(zip(stages.tolist(), rows.tolist(), strict=True))
    if job.retry is not None and not waits and job.columns.store.exists(job.columns.path(job.verdict_id, shard.name)):
        return ShardPlan(shard, "done")
    return ShardPlan(shard, "open", len(sample), waits)


def limit_shards(shards: Sequence[Shard], limit: int | None) -> list[Shard]:
    """Keep the first `limit` samples, in source order: whole shards, then the first rows of one."""
    if limit is None:
        return list(shards)
    if limit < 1:
        raise PlanError(f"--limit {limit} leaves nothing to do; give 1 or more")
    kept: list[Shard] = []
    with ThreadPoolExecutor(COUNT_AT_ONCE) as threads:
        start, step = 0, 1  # one shard is often enough; many are counted together
        while limit and start < len(shards):
            some = shards[start : start + step]
            for shard, rows in zip(some, threads.map(count, some), strict=True):
                if limit:
                    kept.append(shard if rows <= limit else replace(shard, limit=limit))
                    limit -= min(rows, limit)
            start, step = start + step, min(2 * step, 8 * COUNT_AT_ONCE)
    return kept
