"""Runs through Ray on one GPU: a writer beside perception, and two engines by fractions."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.gpu.engines import captioner, engine, first_model
from benchmarks.gpu.inputs import squares
from benchmarks.gpu.perception import experts
from benchmarks.gpu.step import Row, Setting
from benchmarks.gpu.watch import Watch, watching
from curate.engines.vllm_engine import Vllm
from curate.errors import CurateError
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
from curate.stages import Resources

__all__ = ["one_gpu", "replicas"]

SHARDS = 16
WRITER_GIB, REPLICA_GIB = 16.0, 8.0  # of KV cache, since who starts beside others cannot measure what is free


def one_gpu(setting: Setting) -> Iterator[Row]:
    """Measure CLIP, detector and writer with `gpus="auto"`, which share the GPU where there is one.

    If that fails the line says why, and shares that are written out are measured instead.
    """
    side, clip = setting.scale.side_px, setting.scale.clips[0]
    writer = replace(engine(setting, first_model(setting)), gpus="auto")
    perception = experts(setting, clip, Resources(gpus="auto"))
    try:
        yield from _run(setting, 'gpus="auto"', Pipeline([*perception, captioner(writer, setting, side)]))
    except CurateError as error:
        yield {"what": 'gpus="auto"', "failed": str(error)[:300]}
        writer = replace(_split(setting, 0.6, WRITER_GIB), gpus=0.7 * setting.gpu)
        perception = experts(setting, clip, Resources(gpus=0.15 * setting.gpu))
        yield from _run(setting, "0.7 and 2 x 0.15", Pipeline([*perception, captioner(writer, setting, side)]))


def replicas(setting: Setting) -> Iterator[Row]:
    """Measure the caption stage alone with two workers that hold half a GPU each."""
    half = replace(_split(setting, None, REPLICA_GIB), workers=2, gpus=0.5 * setting.gpu)
    yield from _run(setting, "2 x 0.5", Pipeline([captioner(half, setting, setting.scale.side_px)]))


def _split(setting: Setting, share: float | None, kv_cache_gib: float) -> Vllm:
    """Return an engine that takes what it is told of the GPU's memory; null: the share that Ray gives it."""
    vllm = engine(setting, first_model(setting), share)
    return vllm if vllm.kv_cache_gib else replace(vllm, kv_cache_gib=kv_cache_gib)


def _run(setting: Setting, how: str, pipeline: Pipeline) -> Iterator[Row]:
    dataset = setting.scratch / how
    shards = squares(setting.work, setting.scale.side_px, setting.scale.mixed, SHARDS)
    with watching(setting.gpu) as watch:
        start = time.perf_counter()
        run(RunRequest(pipeline, [str(path) for path in shards], str(dataset)))
        seconds = time.perf_counter() - start
    cells = list(dataset.glob("columns/dense_caption-*/*.parquet"))
    if (count := sum(pq.read_metadata(path).num_rows for path in dataset.glob("errors/*.parquet"))) or not cells:
        raise CurateError(f"{count} samples of {setting.scale.mixed} have an error; see curate errors {dataset}")
    yield {
        "what": f"{' + '.join(type(stage).__name__ for stage in pipeline.stages)}, {how}",
        "images": setting.scale.mixed,
        "seconds with start-up": round(seconds, 1),
        "images/s past the first shard": _rate(cells),
        **watch.row(),
    }
    yield from _memory(watch)


def _rate(cells: Sequence[Path]) -> float:
    """Return captions per second between the commit of the first shard and that of the last."""
    times = sorted((path.stat().st_mtime, path) for path in cells)
    rows = sum(pq.read_metadata(path).num_rows for _, path in times[1:])
    return round(rows / max(times[-1][0] - times[0][0], 1e-9), 2)


def _memory(watch: Watch) -> Iterator[Row]:
    for (pid, name), mib in sorted(watch.processes.items()):
        yield {"what": f"process {pid}, {name}", "GPU MiB": mib}
