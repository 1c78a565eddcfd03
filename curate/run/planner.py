"""What a run would have to do, from the names of cells and, where needed, from their columns."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from curate.errors import PlanError
from curate.pipeline import Step
from curate.run.barrier import lacking
from curate.run.commit import read_samples, replay_shard
from curate.run.pool_rows import PoolFacts, look_at_pool
from curate.run.spec import RunSpec
from curate.sources import count
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE, CorpusStage, Expert, Measures

__all__ = ["Plan", "ShardPlan", "limit_shards", "make_plan", "plan_leg", "sort_shards"]


COUNT_AT_ONCE = 16  # shards whose samples are counted together
LOOK_AT = 1_000  # open shards, and new ones, that a plan opens; what it says about the rest is estimated from these


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """What is left to do for one shard: "done" has a verdict, "new" was never read, "open" has pending rows.

    `pending` holds (stage index, rows); rows of later stages come on top, as far as they are kept. `rows` is null
    when the shard was not opened.
    """

    shard: Shard
    state: Literal["done", "new", "open"]
    rows: int | None = None
    pending: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All shards of a run, and what is left to do for each in one leg of the pipeline: `spec` ends with it.

    `steps` are those of the whole pipeline; a corpus stage whose pool is known is bound to it. `pool` is what the
    corpus stage behind the leg has to measure: null where that is nothing, or not known before the leg is done.
    """

    spec: RunSpec
    shards: list[ShardPlan]
    steps: tuple[Step, ...] = ()
    pool: PoolFacts | None = None

    @property
    def unfinished(self) -> list[Shard]:
        return [each.shard for each in self.shards if each.state != "done"]

    @property
    def needs_workers(self) -> bool:
        """Tell whether anything has to be read or measured, rather than decided from columns alone.

        Open shards that were not opened count as pending only if another one is.
        """
        return any(each.state == "new" or each.pending for each in self.shards)

    def rows(self) -> int:
        """Return how many samples the unfinished shards hold; see `exact`."""
        return round(sum((each.rows or 0) * share for each, share in self._opened()))

    def exact(self) -> bool:
        """Tell whether every unfinished shard was opened; else counts of rows are estimated from those that were."""
        return all(each.rows is not None for each in self.shards if each.state != "done")

    def waiting(self) -> list[tuple[str, str, int]]:
        """Return (label, stage id, rows that wait for it first) for every expert, in order; see `exact`."""
        total: dict[int, float] = defaultdict(float)
        for each, share in self._opened():
            pending = ((self._first_expert(), each.rows or 0),) if each.state == "new" else each.pending
            for stage, rows in pending:
                total[stage] += rows * share
        steps = enumerate(self.spec.steps)
        return [(step.label, step.id, round(total[i])) for i, step in steps if isinstance(step.stage, Expert)]

    def then(self) -> str:
        """Return what people call the corpus stage behind this leg; empty if there is none."""
        return next((step.label for step in self.later() if isinstance(step.stage, CorpusStage)), "")

    def later(self) -> list[Step]:
        """Return the stages behind this leg that measure: first the corpus stage that waits for it."""
        return [step for step in self.steps[len(self.spec.steps) :] if isinstance(step.stage, Measures)]

    def _opened(self) -> Iterator[tuple[ShardPlan, float]]:
        """Yield the unfinished shards that were opened, and how many of its state each one stands for."""
        states = Counter(each.state for each in self.shards)
        opened = [each for each in self.shards if each.rows is not None and each.state != "done"]
        samples = Counter(each.state for each in opened)
        yield from ((each, states[each.state] / samples[each.state]) for each in opened)

    def _first_expert(self) -> int:
        return next((i for i, step in enumerate(self.spec.steps) if isinstance(step.stage, Expert)), 0)


def make_plan(spec: RunSpec, shards: Sequence[Shard], count_new: bool = True) -> Plan:
    """Look up what is there and return what is missing; reads no pixels, loads no models.

    Of a pipeline with corpus stages it is the plan of the first leg in which something is to be measured, or behind
    which a pool is; what comes later depends on that.
    """
    for i, leg in enumerate(spec.pipeline.legs()):
        plan = replace(plan_leg(spec.legs()[i], shards, count_new), steps=spec.steps)
        if plan.needs_workers or not plan.exact() or leg.stop == len(spec.steps):
            break
        step = spec.steps[leg.stop]
        assert isinstance(step.stage, CorpusStage)
        pool = look_at_pool(plan.spec, step.stage, shards)
        spec = spec.bound(leg.stop, pool.digest)
        if lacking(spec, spec.steps[leg.stop], pool):
            return replace(plan, steps=spec.steps, pool=pool)
    return plan


def sort_shards(spec: RunSpec, shards: Sequence[Shard]) -> Plan:
    """Return the plan of one leg without opening a shard: two folder listings tell done, new and open ones apart."""
    states = _states(spec, shards)
    return Plan(spec, [ShardPlan(shard, state) for shard, state in zip(shards, states, strict=True)], spec.steps)


def plan_leg(spec: RunSpec, shards: Sequence[Shard], count_new: bool = True) -> Plan:
    """Return the plan of one leg; the corpus stages before it are bound to their pools.

    Of the open shards, the columns of LOOK_AT are read, evenly spread; with `count_new`, as many new shards are opened
    to count their samples.
    """
    plans = sort_shards(spec, shards).shards
    states = [each.state for each in plans]
    with ThreadPoolExecutor(8) as threads:
        at = _evenly([i for i, state in enumerate(states) if state == "open"])
        for i, plan in zip(at, threads.map(lambda i: _look(spec, shards[i]), at), strict=True):
            plans[i] = plan
        at = _evenly([i for i, state in enumerate(states) if state == "new"]) if count_new else []
        for i, rows in zip(at, threads.map(lambda i: count(shards[i]), at), strict=True):
            plans[i] = ShardPlan(shards[i], "new", rows)
    return Plan(spec, plans, spec.steps)


def _states(spec: RunSpec, shards: Sequence[Shard]) -> list[Literal["done", "new", "open"]]:
    """Tell the states apart by the names of cells; with `retry`, finished shards with error rows are open again."""
    error_files = spec.cells.store.list("errors") if spec.retry is not None else ()
    decided = spec.cells.shards(spec.verdict_id) - {name.removesuffix(".parquet") for name in error_files}
    if all(shard.name in decided for shard in shards):
        return ["done"] * len(shards)
    read = spec.cells.shards(SAMPLE_STAGE)
    return ["done" if shard.name in decided else "open" if shard.name in read else "new" for shard in shards]


def _evenly(indices: list[int]) -> list[int]:
    """Return LOOK_AT of the indices, evenly spaced, or all if there are no more."""
    if len(indices) <= LOOK_AT:
        return indices
    return [indices[i * len(indices) // LOOK_AT] for i in range(LOOK_AT)]


def _look(spec: RunSpec, shard: Shard) -> ShardPlan:
    """Read the columns of an open shard and count what is pending; a retried shard where nothing is is done."""
    sample = read_samples(spec, shard)
    pending = replay_shard(spec, shard, sample).pending
    stages, rows = np.unique(pending[pending >= 0], return_counts=True)
    counts = tuple(zip(stages.tolist(), rows.tolist(), strict=True))
    if spec.retry is not None and not counts and spec.cells.store.exists(spec.cells.path(spec.verdict_id, shard.name)):
        return ShardPlan(shard, "done")
    return ShardPlan(shard, "open", len(sample), counts)


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
