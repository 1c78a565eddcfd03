"""Runs through Ray on one GPU: a writer beside perception, and two engines by fractions."""

import shutil
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
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
from curate.stages import Resources

__all__ = ["one_gpu", "replicas"]

SHARDS = 16
WRITER_GIB, REPLICA_GIB = 16.0, 8.0  # of KV cache, since who starts beside others cannot measure what is free


def one_gpu(setting: Setting) -> Iterator[Row]:
    """Measure CLIP, detector and writer with `gpus="auto"`, which share the GPU where there is one."""
    writer = replace(_engine(setting, 0.6, WRITER_GIB), gpus="auto")
    perception = experts(setting, setting.scale.clips[0], Resources(gpus="auto"))
    side = setting.scale.side_px
    yield from _run(setting, Pipeline([*perception, captioner(writer, setting, side)]))


def replicas(setting: Setting) -> Iterator[Row]:
    """Measure the caption stage alone with two workers that hold half a GPU each."""
    half = replace(_engine(setting, 0.42, REPLICA_GIB), workers=2)
    if setting.gpu:
        half = replace(half, gpus=0.5)
    yield from _run(setting, Pipeline([captioner(half, setting, setting.scale.side_px)]))


def _engine(setting: Setting, share: float, kv_cache_gib: float) -> Vllm:
    vllm = engine(setting, first_model(setting), share)
    return vllm if vllm.kv_cache_gib else replace(vllm, kv_cache_gib=kv_cache_gib)


def _run(setting: Setting, pipeline: Pipeline) -> Iterator[Row]:
    dataset = setting.work / "through-ray"
    shutil.rmtree(dataset, ignore_errors=True)
    shards = squares(setting.work, setting.scale.side_px, setting.scale.mixed, SHARDS)
    with watching(setting.gpu) as watch:
        start = time.perf_counter()
        run(RunRequest(pipeline, [str(path) for path in shards], str(dataset)))
        seconds = time.perf_counter() - start
    cells = list(dataset.glob("columns/dense_caption-*/*.parquet"))
    yield {
        "what": " + ".join(type(stage).__name__ for stage in pipeline.stages),
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
