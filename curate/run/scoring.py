"""One expert on one batch: decode, call the scorer, isolate the samples it cannot measure."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ContractError, CurateError, SampleError
from curate.pixels import Extent, decode_each, extent
from curate.stages import Batch, Expert, Luma, Measurement, Pixels, Scorer, stage_name

__all__ = ["DecodedImages", "Payload", "Scores", "score", "wants_luma"]

Payload: TypeAlias = bytes | SampleError | None
"""The encoded image of a sample, or why it could not be read, or None when no stage needs it."""

Cut: TypeAlias = tuple[int, int, bool]
"""An image's reduction, see `Extent.reduction`, and whether it is luma: equal cuts of an image are equal pixels."""


@dataclass(slots=True)
class DecodedImages:
    """The images of one chunk, decoded when an expert first asks, each at the size that this expert asks for.

    So no value depends on which experts stand beside. Experts whose sizes come to the same pixels share them. `asked`
    are the (shortest side, luma) of the experts still to come, see `release`: an image that is no JPEG is unpacked once
    for all of them. `given` are images that were decoded before; they go to every expert as they are.
    """

    payloads: Sequence[Payload]
    decoders: ThreadPoolExecutor | None = None
    given: Mapping[int, Pixels | SampleError] = field(default_factory=dict)
    asked: Sequence[tuple[int, bool]] = field(init=False, default=())
    decoded: dict[int, dict[Cut, Pixels]] = field(default_factory=dict)
    extents: dict[int, Extent] = field(default_factory=dict)
    broken: dict[int, SampleError] = field(default_factory=dict)

    def get(self, rows: Sequence[int], side: int, luma: bool = False) -> list[Pixels | SampleError]:
        """Return the images of some rows of the chunk, in order; `side` and `luma` are those of `decode`."""
        each = self.decoders.map if self.decoders else map
        return list(each(lambda row: self._get(row, (side, luma)), rows))

    def release(self, later: Sequence[tuple[int, bool]]) -> None:
        """Forget the images that the experts still to come, who ask for `later`, have no use for: often the largest."""
        self.asked = later
        for row, images in self.decoded.items():
            keep = {self._cut(row, ask) for ask in later} if images else set()
            for cut in [cut for cut in images if cut not in keep]:
                del images[cut]

    def _get(self, row: int, ask: tuple[int, bool]) -> Pixels | SampleError:
        if row in self.given:
            return self.given[row]
        if row not in self.broken:
            try:
                images = self.decoded.setdefault(row, {})
                if self._cut(row, ask) not in images:
                    self._decode(row, ask, images)
                return images[self._cut(row, ask)]
            except SampleError as error:
                self.broken[row] = error
            except MemoryError:
                self.broken[row] = SampleError("out_of_memory", "no memory to decode the image")
        return self.broken[row]

    def _decode(self, row: int, ask: tuple[int, bool], images: dict[Cut, Pixels]) -> None:
        alone = self.extents[row].steps != "box"
        asks = [ask] if alone else list({self._cut(row, each): each for each in (*self.asked, ask)}.values())
        for each, image in zip(asks, decode_each(self._payload(row), asks), strict=True):
            images[self._cut(row, each)] = image

    def _cut(self, row: int, ask: tuple[int, bool]) -> Cut:
        if row not in self.extents:
            self.extents[row] = extent(self._payload(row))
        return (*self.extents[row].reduction(ask[0]), ask[1])

    def _payload(self, row: int) -> bytes:
        payload = self.payloads[row]
        if isinstance(payload, bytes):
            return payload
        raise payload or SampleError("missing_image", "the sample has no image")


@dataclass(slots=True)
class Scores:
    """n values per column, and per row its error and how long its request took (engine experts only)."""

    columns: dict[str, pa.Array]
    errors: list[SampleError | None]
    latency_seconds: list[float | None]


def score(expert: Expert, scorer: Scorer, table: pa.Table, rows: Sequence[int], images: DecodedImages) -> Scores:
    """Measure `table` (k rows; row i is row `rows[i]` of the chunk) and return k values per column.

    A row without a usable image gets an error and is kept from the scorer. A batch that raises is halved until the
    sample that fails is alone; its neighbours keep their values.
    """
    inputs: list[Any] = [images.payloads[row] for row in rows]
    if expert.pixels is not None:
        inputs = list(images.get(rows, expert.pixels, wants_luma(expert)))
    errors: list[SampleError | None] = [value if isinstance(value, SampleError) else None for value in inputs]
    good = [i for i, error in enumerate(errors) if error is None]
    step = max(1, expert.resources.batch_rows)
    parts: list[Scores] = []
    for start in range(0, len(good), step):
        at = good[start : start + step]
        batch = Batch(
            table.take(pa.array(at, pa.int64())),
            tuple(images.payloads[rows[i]] or b"" for i in at),  # type: ignore[misc]
            tuple(inputs[i] for i in at) if expert.pixels is not None else (),
        )
        parts.append(_bisect(expert, scorer, batch))
    return _assemble(expert, errors, good, parts)


def wants_luma(expert: Expert) -> bool:
    """Tell whether an expert looks at no colours: images are then decoded in a third less time."""
    return isinstance(expert, Luma) and expert.luma


def _bisect(expert: Expert, scorer: Scorer, batch: Batch) -> Scores:
    try:
        return _checked(expert, batch, scorer(batch))
    except SampleError as error:
        failure = error
    except CurateError:
        raise  # a bad system, not a bad sample
    except Exception as error:  # noqa: BLE001 (the one worker boundary: recorded as an error row, counted)
        failure = SampleError(failure_code(error), f"{type(error).__name__}: {error}"[:500])
    if len(batch) == 1:
        nulls = {f.name: pa.nulls(1, f.type) for f in expert.adds}
        return Scores(nulls, [failure], [None])
    half = len(batch) // 2
    return _join(expert, [_bisect(expert, scorer, part) for part in (_slice(batch, 0, half), _slice(batch, half))])


def failure_code(error: Exception) -> str:
    """Tell memory that ran out from any other failure of an expert.

    torch has a class of its own for GPUs; on CPUs torch, onnxruntime and OpenCV only say it in words.
    """
    memory = isinstance(error, MemoryError) or type(error).__name__ in {"OutOfMemoryError", "ArrowMemoryError"}
    memory |= any(words in str(error) for words in ("allocate memory", "out of memory", "Insufficient memory"))
    return "out_of_memory" if memory else "expert_failed"


def _slice(batch: Batch, start: int, stop: int | None = None) -> Batch:
    stop = len(batch) if stop is None else stop
    return Batch(batch.table.slice(start, stop - start), batch.payloads[start:stop], batch.images[start:stop])


def _checked(expert: Expert, batch: Batch, measured: Measurement) -> Scores:
    """Return a scorer's result as Arrow columns, or raise ContractError naming what is off."""
    n, name = len(batch), stage_name(expert)
    if not isinstance(measured, Measurement):
        raise ContractError(f"{name} returned a {type(measured).__name__}, not a Measurement")
    if extra := set(measured.columns) - set(expert.adds.names):
        raise ContractError(f"{name} returned columns it does not declare: {sorted(extra)}")
    columns: dict[str, pa.Array] = {}
    for f in expert.adds:
        if f.name not in measured.columns:
            raise ContractError(f"{name} did not return its column {f.name!r}")
        values = measured.columns[f.name]
        if len(values) != n:
            raise ContractError(f"{name}: {f.name}: {len(values)} values for {n} rows")
        array = values if isinstance(values, pa.Array) else pa.array(values, f.type)
        columns[f.name] = array if array.type == f.type else array.cast(f.type)
    errors = list(measured.errors or [None] * n)
    for f in expert.adds:
        if pa.types.is_floating(f.type) and not pa.types.is_float16(f.type):
            _null_nans(columns, f.name, errors)
    return Scores(columns, errors, list(measured.seconds or [None] * n))


def _null_nans(columns: dict[str, pa.Array], name: str, errors: list[SampleError | None]) -> None:
    bad = pc.fill_null(pc.is_nan(columns[name]), False).to_numpy(zero_copy_only=False)
    for i in np.flatnonzero(bad):
        errors[i] = errors[i] or SampleError("not_a_number", f"{name} came out as NaN")
    if bad.any():
        columns[name] = pc.if_else(pa.array(bad), pa.scalar(None, columns[name].type), columns[name])


def _join(expert: Expert, parts: list[Scores]) -> Scores:
    columns = {f.name: pa.concat_arrays([part.columns[f.name] for part in parts]) for f in expert.adds}
    errors = [error for part in parts for error in part.errors]
    return Scores(columns, errors, [seconds for part in parts for seconds in part.latency_seconds])


def _assemble(expert: Expert, errors: list[SampleError | None], good: list[int], parts: list[Scores]) -> Scores:
    """Put the values of the good rows back in their places; rows that failed are all null."""
    if not parts:
        return Scores({f.name: pa.nulls(len(errors), f.type) for f in expert.adds}, errors, [None] * len(errors))
    measured = _join(expert, parts)
    latency: list[float | None] = [None] * len(errors)
    where = np.full(len(errors), -1, dtype=np.int64)
    for i, row in enumerate(good):
        errors[row], latency[row] = measured.errors[i], measured.latency_seconds[i]
        if measured.errors[i] is None:
            where[row] = i
    if (where == np.arange(len(errors))).all():
        return Scores(measured.columns, errors, latency)
    index = pa.array(where, mask=where < 0)
    return Scores({name: array.take(index) for name, array in measured.columns.items()}, errors, latency)
