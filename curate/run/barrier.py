"""A corpus stage in a run: look at the pool, measure it, write its cells; the only place where all shards wait."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from curate.corpus.pool import Mapper, Pool
from curate.dataset.gc import SCRATCH
from curate.pipeline import Step
from curate.run.pool_rows import CellRows, PoolFacts, write_cell
from curate.run.progress import ProgressEvent
from curate.run.spec import RunSpec
from curate.sources.shard import Shard
from curate.stages import CorpusStage
from curate.storage.store import Store

__all__ = ["clear_scratch", "lacking", "measure_pool"]

SAY_SECONDS = 10.0

X = TypeVar("X")
Y = TypeVar("Y")


def lacking(spec: RunSpec, step: Step, facts: PoolFacts) -> list[str]:
    """Return the shards of a pool that have no cell of its stage yet, which is bound to it."""
    there = spec.cells.shards(step.id)
    return [shard for shard in facts.shards if shard not in there]


def measure_pool(leg: RunSpec, step: Step, facts: PoolFacts, shards: Sequence[Shard], run: "PoolRun") -> ProgressEvent:
    """Measure a pool with a bound corpus stage and write the cells that it lacks; return rows, errors and seconds.

    Killed at any point, the next run begins the stage anew, and writes the same bytes.
    """
    stage, started = step.stage, time.perf_counter()
    assert isinstance(stage, CorpusStage)
    store = leg.cells.store
    clear_scratch(store, step.id)
    names = set(facts.shards)
    rows = CellRows(leg, tuple(stage.needs), {shard.name: shard for shard in shards if shard.name in names})
    told = Told(step.label, facts, run)
    scratch = Store(store.url(f"{SCRATCH}/{step.id}"))
    pool = Pool(facts.shards, facts.sizes, rows, scratch, stage.resources, told)
    assign = stage.measure(pool)
    lacks = lacking(leg, step, facts)
    # anew, and first: should a stage ever come out differently, no cell of a killed attempt is among those of this one
    others = sorted(names - set(lacks))
    write = partial(write_cell, step=step, assign=assign)
    counts = [count for part in (others, lacks) for count in pool.map(write, part)]
    clear_scratch(store, step.id)
    seconds = time.perf_counter() - started
    run.say(f"{step.label}: {sum(facts.sizes):,} samples of {len(facts.shards):,} shards in {seconds:.0f} s")
    return ProgressEvent(step.id, sum(n for n, _ in counts), sum(errors for _, errors in counts), seconds)


def clear_scratch(store: Store, stage: str) -> None:
    """Remove what a corpus stage left in its folder, now or when it was killed."""
    folder = f"{SCRATCH}/{stage}"
    for name in store.list(folder):
        store.remove(f"{folder}/{name}")
    if store.is_local() and store.local_path(folder).is_dir():
        for part in store.local_path(folder).iterdir():
            part.unlink()
        store.local_path(folder).rmdir()
        if not any(store.local_path(SCRATCH).iterdir()):
            store.local_path(SCRATCH).rmdir()


@dataclass(frozen=True, slots=True)
class PoolRun:
    """How the functions of a corpus stage are run, and where it is said how far they are."""

    mapper: Mapper
    console: Console

    def say(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=True)


@dataclass(slots=True)
class Told:
    """A mapper that says every few seconds how far a corpus stage is; a function of it is named as its author did."""

    label: str
    facts: PoolFacts
    run: PoolRun
    said: float = field(default_factory=time.monotonic)

    def __call__(self, pool: Pool, function: Callable[[Pool, X], Y], inputs: Iterable[X]) -> Iterator[Y]:
        several = list(inputs)
        name = getattr(getattr(function, "func", function), "__name__", "").strip("_").replace("_", " ")
        for done, result in enumerate(self.run.mapper(pool, function, several), 1):
            if time.monotonic() - self.said >= SAY_SECONDS:
                self.said = time.monotonic()
                pool_text = f"{sum(self.facts.sizes):,} samples of {len(self.facts.shards):,} shards"
                self.run.say(f"{self.label} over the whole pool, {pool_text}: {name} {done:,} of {len(several):,}")
            yield result
