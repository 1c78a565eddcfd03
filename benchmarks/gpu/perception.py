"""The perception worker against what its parts allow: the slower of decoding and of its experts one after another."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from benchmarks.data import tars
from benchmarks.gpu.inputs import payloads
from benchmarks.gpu.step import Row, Setting
from benchmarks.gpu.watch import watching
from benchmarks.gpu.weights import clip_weights, detector_weights
from benchmarks.segment import load
from curate.experts.clip import Clip
from curate.experts.objects import Objects
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.pixels import decode, decode_each, extent
from curate.stages import Batch, Expert, Resources

__all__ = ["experts", "measure"]

BATCH = 64
MOST_ALONE = 512  # decoded images that are held at once
TEXT = "a photograph of a small wooden boat under a bridge in the evening light"


def measure(setting: Setting) -> Iterator[Row]:
    """Yield decoding alone, each expert alone, and the worker, for each CLIP with the detector."""
    rows = min(1000, setting.scale.perceived)
    shards = tars(setting.scale.perceived // rows, rows=rows)
    encoded = payloads(shards[:1])[:MOST_ALONE]
    threads = len(os.sched_getaffinity(0))
    for clip in setting.scale.clips:
        pair = experts(setting, clip, Resources(cpus=threads, gpus=float(setting.gpu), batch_rows=BATCH))
        name = f"{clip} + {setting.scale.detector}"
        decoding = 0.0
        for count in sorted({1, 2, 4, 8, threads} & set(range(1, threads + 1))):
            decoding = _decoding(encoded, [expert.pixels or 0 for expert in pair], count)
            yield {"what": f"decoding for {name}, {count} threads", "images/s": round(decoding, 1)}
        alone = []
        for expert, called in zip(pair, (clip, setting.scale.detector), strict=True):
            with watching(setting.gpu) as watch:
                alone.append(_alone(expert, encoded))
            yield {"what": f"{called} alone, decoded images", "images/s": round(alone[-1], 1), **watch.row()}
        bound = min(decoding, 1 / sum(1 / rate for rate in alone))
        dataset = setting.scratch / clip
        load(Pipeline(pair), tars(1, rows=8), dataset / "warm").measure()
        work = load(Pipeline(pair), shards, dataset / "full")
        for expert, step in zip(pair, work.plan.spec.steps, strict=True):  # a first batch costs more than the others
            work.worker.runner.scorers.get(step, expert)(_batch(expert, encoded[:BATCH]))
        with watching(setting.gpu) as watch:
            rate = setting.scale.perceived // rows * rows / work.measure()
        figures = {"images/s": round(rate, 1), "bound images/s": round(bound, 1), "of bound": round(rate / bound, 3)}
        yield {"what": f"worker: {name}, from tars, {threads} threads", **figures, **watch.row()}


def experts(setting: Setting, clip: str, resources: Resources) -> list[Expert]:
    """Return a CLIP and the detector, both with random weights."""
    scale, work = setting.scale, setting.work
    return [
        Clip(clip, Weights(str(clip_weights(clip, work))), resize="crop", resources=resources),
        Objects(Weights(str(detector_weights(scale.detector, work))), resources=resources),
    ]


def _decoding(encoded: Sequence[bytes], sides: Sequence[int], threads: int) -> float:
    """Return images per second when each is decoded to all sizes that differ, as the worker does."""

    def each(payload: bytes) -> None:
        found = extent(payload)
        decode_each(payload, list({found.reduction(side): (side, False) for side in sides}.values()))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(each, encoded[: 4 * threads]))
        start = time.perf_counter()
        list(pool.map(each, encoded))
        return len(encoded) / (time.perf_counter() - start)


def _alone(expert: Expert, encoded: Sequence[bytes]) -> float:
    """Return images per second of an expert that is given decoded images."""
    score = expert.load()
    batches = [_batch(expert, encoded[first : first + BATCH]) for first in range(0, len(encoded), BATCH)]
    score(batches[0])
    start = time.perf_counter()
    for batch in batches:
        score(batch)
    return len(encoded) / (time.perf_counter() - start)


def _batch(expert: Expert, encoded: Sequence[bytes]) -> Batch:
    table = pa.table({"uid": [str(i) for i in range(len(encoded))], "alt_text": [TEXT] * len(encoded)})
    return Batch(table, encoded, [decode(payload, expert.pixels or 0) for payload in encoded])
