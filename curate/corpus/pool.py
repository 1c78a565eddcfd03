"""The pool: all samples that a corpus stage measures against each other, shard by shard, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import pyarrow as pa

from curate.errors import SampleError
from curate.stages import Resources
from curate.storage.store import Store

__all__ = ["Mapper", "Pool", "Rows", "inline"]

X = TypeVar("X")
Y = TypeVar("Y")


class Rows(Protocol):
    """Where the rows of a pool are read; it travels to wherever a function of `Pool.map` runs."""

    def table(self, shard: str) -> pa.Table: ...
    def payloads(self, shard: str, uids: Sequence[str]) -> Iterator[bytes | SampleError]: ...


class Mapper(Protocol):
    """Runs a function on each input, anywhere, and yields the results in the order of the inputs."""

    def __call__(self, pool: "Pool", function: "Callable[[Pool, X], Y]", inputs: Iterable[X]) -> Iterator[Y]: ...


def inline(pool: "Pool", function: "Callable[[Pool, X], Y]", inputs: Iterable[X]) -> Iterator[Y]:
    """Run the function here, on one input after another."""
    return (function(pool, each) for each in inputs)


@dataclass(frozen=True, slots=True)
class Pool:
    """The samples that are kept when a corpus stage's turn comes.

    `shards` are the names of those that have such a sample, sorted; `sizes` how many each has. Cutting the same samples
    into other shards must not change what is measured. `scratch` is an empty folder that every machine sees, for this
    stage alone; it is removed afterwards. Names in it are flat; `curate.storage.arrays` writes and reads arrays in it.
    """

    shards: tuple[str, ...] = field(repr=False)
    sizes: tuple[int, ...] = field(repr=False)
    rows: Rows = field(repr=False)
    scratch: Store
    resources: Resources = Resources()
    mapper: Mapper = field(default=inline, repr=False)

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def memory_bytes(self) -> int:
        """What one function of `map` may take, `resources.memory_gib`; `measure` itself has to be as modest."""
        return int(self.resources.memory_gib * (1 << 30))

    def table(self, shard: str) -> pa.Table:
        """Return `uid` and the columns that the stage needs, of the shard's samples in the pool, in their order."""
        return self.rows.table(shard)

    def payloads(self, shard: str, uids: Sequence[str]) -> Iterator[bytes | SampleError]:
        """Yield the encoded images of some samples of the pool, in the shard's order, read from the source once more.

        For a second look at few samples: a stage that wants pixels of all is an expert that makes a column of them.
        """
        return self.rows.payloads(shard, uids)

    def map(self, function: "Callable[[Pool, X], Y]", inputs: Iterable[X]) -> Iterator[Y]:
        """Yield `function(pool, input)` for each input, in their order and as they are taken: on Ray, or here.

        The function is a top-level one, or a `functools.partial` of one; should its machine die, it runs again
        elsewhere. Inputs and results are small: names, counts, a histogram. Data is left in files of `scratch`, which
        appear whole or not at all.
        """
        return self.mapper(self, function, inputs)

    def batches(self, rows: int) -> list[tuple[str, ...]]:
        """Return neighbouring shards together that have at most `rows` samples; a larger shard is alone."""
        found: list[tuple[str, ...]] = []
        batch, size = list[str](), 0
        for shard, here in zip(self.shards, self.sizes, strict=True):
            if batch and size + here > rows:
                found.append(tuple(batch))
                batch, size = [], 0
            batch.append(shard)
            size += here
        return [*found, tuple(batch)] if batch else found

    def in_task(self) -> "Pool":
        """Return the pool as functions of `map` get it: one that maps where it is."""
        return replace(self, mapper=inline)
