"""What a stage is: experts and corpus stages measure, filters decide."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError, SampleError

__all__ = [
    "SAMPLE_STAGE",
    "SOURCE_NAME",
    "Assign",
    "Batch",
    "CorpusStage",
    "Expert",
    "Filter",
    "Gate",
    "Gpus",
    "Luma",
    "Measurement",
    "Measures",
    "Pixels",
    "Resources",
    "Scorer",
    "Stage",
    "stage_id",
    "stage_name",
    "sum_gpus",
]

SAMPLE_STAGE: Final = "sample-v1"
"""The id of what reading a source gives: the cells that all others stand on."""

SOURCE_NAME: Final = "sample"
"""What verdicts and reports call the reading of a source, where they name a stage."""

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""One decoded image: RGB uint8[height, width, 3], EXIF rotation applied, first frame of an animation.

Luma (ITU-R 601) uint8[height, width] for an expert that says `luma = True`.
"""

Gpus: TypeAlias = float | Literal["auto"]
"""GPUs that one worker holds, maybe a fraction of one; "auto": of a GPU where the cluster has one, else none."""

Scorer: TypeAlias = Callable[["Batch"], "Measurement"]
"""n rows in, n values per new column out; raises SampleError only for a batch of one row."""

Assign: TypeAlias = Callable[[str, pa.Table], "Measurement"]
"""What a corpus stage found out, shard by shard: (name, `Pool.table` of n rows) in, n values per new column out.

It runs once for every shard, anywhere: a top-level function in a `functools.partial`, or a frozen dataclass with
`__call__`. What is too large to be sent along lies in files of `Pool.scratch`.
"""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a scorer measured: n values per column of `adds`, and per row its error if it has one.

    `errors` null: no row has one; the values of a row with an error are not used. `seconds` are the request times of
    experts that ask an engine; null elsewhere.
    """

    columns: Mapping[str, Sequence[Any] | pa.Array]
    errors: Sequence[SampleError | None] | None = None
    seconds: Sequence[float | None] | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What one worker holds and is fed. Placement is not identity: it never changes a result."""

    cpus: float = 1.0
    gpus: Gpus = 0.0  # may be a fraction of one device; "auto": a share of one where the cluster has GPUs, else 0
    workers: int | None = None  # None: as many as fit the cluster
    batch_rows: int = 64
    in_flight: int = 2  # batches of one shard in work at once: the next is decoded while one is measured
    timeout_seconds: float | None = 600.0  # per batch; then the process ends and the batch is bisected to the sample
    custom: tuple[tuple[str, float], ...] = ()  # Ray custom resources, as (name, amount)
    shards: int = 1  # shards in work at once in one worker; more keeps an engine full at a shard's end
    gpu_gib: float = 4.0  # memory of a GPU that its models take there: the share that "auto" is, beside an engine
    memory_gib: float = 2.0  # memory that one task of a corpus stage may take; more of it means fewer, larger files

    def __post_init__(self) -> None:
        if self.gpus != "auto" and not (isinstance(self.gpus, int | float) and self.gpus >= 0):
            raise PlanError(f"Resources: gpus={self.gpus!r}: give 0 or more, or 'auto'")
        if not self.memory_gib > 0:
            raise PlanError(f"Resources: memory_gib={self.memory_gib!r}: give more than 0")


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows an expert is asked to measure: all kept so far, none measured before.

    `table` has the columns of `needs` and always `uid`; `payloads` are the encoded images as stored; `images` are
    decoded (empty unless the expert asks for `pixels`), maybe at a DCT-reduced size that is no smaller than asked.
    """

    table: pa.Table
    payloads: Sequence[bytes] = ()
    images: Sequence[Pixels] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)


@runtime_checkable
class Expert(Protocol):
    """Measures samples: adds columns, drops nothing. Null means "could not measure".

    A frozen dataclass; its `repr` is its identity. `version` goes up when the same fields measure differently. One that
    looks at no colours may be `Luma` besides; one that asks models holds their engines in fields, see `engines_of`.
    """

    version: ClassVar[int]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns it reads."""

    @property
    def adds(self) -> pa.Schema:
        """The columns it writes, documented by `schemas.fields.column`."""

    @property
    def pixels(self) -> int | None:
        """Shortest side in px that a decoded image must keep; 0 the original size; None: no pixels needed."""

    @property
    def resources(self) -> Resources:
        """What one worker of it holds."""

    def check(self) -> None:
        """Raise PlanError if an extra or a weight file is missing. Cheap; runs on the driver before any work."""

    def load(self) -> Scorer:
        """Load models and return the scorer; once per worker, never on the driver."""


@runtime_checkable
class Luma(Protocol):
    """What an expert is besides that looks at no colours, by `luma: ClassVar[bool] = True`: images may lack them."""

    luma: ClassVar[bool]


@runtime_checkable
class Filter(Protocol):
    """Decides from columns alone: no model, no I/O, no randomness. A frozen dataclass; its `repr` is its identity."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns it reads."""

    def keep(self, table: pa.Table) -> pa.ChunkedArray | pa.Array:
        """Return bool[n]: True keeps, False drops, null means "unmeasured" and drops too."""


@runtime_checkable
class CorpusStage(Protocol):
    """Measures each sample against all others of the pool: adds columns, drops nothing, decides nothing.

    The pool are the samples that are kept when the stage's turn comes; what it measures depends on them and on the
    fields alone, never on the order, number or size of shards, on workers or on memory. Of equal samples the one with
    the smaller uid comes first. A frozen dataclass; its `repr` is its identity, together with the pool's digest.
    `version` goes up when the same fields measure differently. See docs/corpus-stages.md.
    """

    version: ClassVar[int]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns it reads."""

    @property
    def adds(self) -> pa.Schema:
        """The columns it writes, documented by `schemas.fields.column`."""

    @property
    def resources(self) -> Resources:
        """What one task of it holds."""

    def check(self) -> None:
        """Raise PlanError if an extra or a file is missing. Cheap; runs on the driver before any work."""

    def measure(self, pool: Any) -> Assign:
        """Look at all of a `curate.corpus.pool.Pool` and return what gives each shard its columns.

        Runs on the driver; what is linear in the samples belongs into functions given to `pool.map`.
        """


Measures: TypeAlias = Expert | CorpusStage
"""A stage that adds columns."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets a filter decide about one artefact of a sample, such as its pair, and not about the sample.

    `artefact` is the beginning of its columns: `pair` means `pair` and all `pair_...`. What the filter drops, or has no
    value for, stands in the column `pair_dropped_by`; the sample stays. Experts behind the gate that read or write a
    column of the artefact do not look at such a sample: their columns are null there, whatever they measured in earlier
    runs. So a gate is replayed like a filter, and another bound measures only what comes alive. See docs/gates.md.
    """

    artefact: str
    filter: Filter

    def __post_init__(self) -> None:
        if not self.artefact.isidentifier():
            raise PlanError(f"Gate({self.artefact!r}, ...): give the beginning of some columns, such as pair")

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns its filter reads."""
        return self.filter.needs

    @property
    def column(self) -> str:
        """The column that says what dropped the artefact."""
        return f"{self.artefact}_dropped_by"

    def owns(self, names: Iterable[str]) -> bool:
        """Tell whether some of the columns are the artefact's.

        >>> Gate("pair", None).owns(["caption", "pair_margin"]), Gate("pair", None).owns(["pairs"])
        (True, False)
        """
        return any(name == self.artefact or name.startswith(f"{self.artefact}_") for name in names)


Stage: TypeAlias = Expert | CorpusStage | Filter | Gate


def sum_gpus(each: Iterable[Gpus], add: Callable[[list[float]], float] = sum) -> Gpus:
    """Return what one worker asks that holds all of these: what is asked in numbers, else "auto" if one says so.

    "auto" beside a number adds nothing: it uses the GPU that the worker then has.

    >>> sum_gpus([0.25, "auto"]), sum_gpus([0.0, "auto"]), sum_gpus([0.25, 0.5])
    (0.25, 'auto', 0.75)
    """
    wanted = list(each)
    numbers = [gpus for gpus in wanted if gpus != "auto"]
    total = add(numbers) if numbers else 0.0
    return "auto" if "auto" in wanted and not total else total


def stage_name(stage: Stage) -> str:
    """Return the snake_case name of a stage's class: `ImageFacts` gives `image_facts`; a gate has its filter's."""
    named = stage.filter if isinstance(stage, Gate) else stage
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(named).__name__).lower()


def stage_id(stage: Measures, text: str | None = None) -> str:
    """Return the readable, content-addressed folder name of an expert's cells, e.g. `clip-v1-5f3a91c2`.

    `text` is its `repr`, for a caller who has asked for it already: it may digest gigabytes of weights. A corpus stage
    has a folder for each pool: the digest of the pool follows, see `curate.pipeline.bind`.
    """
    digest = hashlib.blake2b((repr(stage) if text is None else text).encode(), digest_size=4).hexdigest()
    return f"{stage_name(stage)}-v{stage.version}-{digest}"
