"""The caption stage against bare `LLM.chat`: the nano VLM in vLLM on the same images, prompts and token limit.

Both engines run in this process, the one that works has both cores. Bare vLLM gets decoded images at their final
size; Curate starts from the tar, and decodes, resizes, guards the text and commits its columns on the way.
On a GPU: `make gpu`.
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.contest import print_table
from benchmarks.data import BENCH
from benchmarks.segment import load
from curate.captions.prompting.hints import Hints
from curate.captions.viewing.pixel_budget import fit_budget
from curate.engines.vllm_engine import CPU_CACHE_GIB, GIB, engine_arguments
from curate.experts.dense_caption import DenseCaption
from curate.pipeline import Pipeline
from curate.pixels import decode
from curate.sources import scan
from curate.sources.shard import Shard
from nano.shards.make import draw_clean, scene_seed, write_shards
from pipelines.quickstart import DESCRIBE, vllm

__all__ = ["main"]

OUT = BENCH / "captions"
IMAGES, ROUNDS = 512, 5
Contestant = Callable[[int], tuple[float, int]]
"""Captions all images, in the n-th round; returns seconds and tokens written."""
Result = tuple[float, float, int]
"""Seconds, processor seconds of this process and its engines, tokens."""


@dataclass(frozen=True)
class Setting:
    """The model and its work."""

    model: str = "nano/vlm"
    side_px: int = 336
    tokens: int = 64


def main(rounds: int = ROUNDS, setting: Setting = Setting()) -> None:
    """Print captions and tokens per second of both, past engine start."""
    shutil.rmtree(OUT, ignore_errors=True)
    shards = tars()
    contestants = {"Curate": caption_stage(shards, setting), "LLM.chat": bare_chat(shards, setting)}
    print(f"captions: {IMAGES} images, {setting}, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
    taken: dict[str, list[Result]] = {name: [] for name in contestants}
    for number in range(-1, rounds):  # the first round warms up
        for name, contestant in contestants.items():
            before = cpu_seconds()
            seconds, tokens = contestant(number)
            if number >= 0:
                taken[name].append((seconds, cpu_seconds() - before, tokens))
    rows = {name: figures(results) for name, results in taken.items()}
    print_table(rows)
    ours, theirs = rows["Curate"], rows["LLM.chat"]
    names = ("best tokens/s", "median tokens/s", "per CPU second")
    print("Curate / LLM.chat:", ", ".join(f"{ours[name] / theirs[name]:.3f} ({name})" for name in names), flush=True)


def cpu_seconds() -> float:
    """Return the processor seconds that this process and its engines have used so far.

    Less those of an engine core whose model runs in a worker of its own: it waits by polling, and so uses whatever
    nobody else wants.
    """
    own = psutil.Process()
    running = [own, *own.children(recursive=True)]
    names = [process.name() for process in running]
    polls = any(name.startswith("VLLM::Worker") for name in names)
    times = [
        process.cpu_times()
        for process, name in zip(running, names, strict=True)
        if not (polls and name.startswith("VLLM::EngineCor"))
    ]
    return sum(each.user + each.system for each in times)


def figures(results: list[Result]) -> dict[str, float]:
    """Return the figures of one contestant's rounds."""
    speeds = [tokens / seconds for seconds, _, tokens in results]
    return {
        "tokens": results[0][-1],
        "best tokens/s": max(speeds),
        "median tokens/s": statistics.median(speeds),
        "per CPU second": statistics.median(tokens / cpu for _, cpu, tokens in results),
        "best images/s": IMAGES / min(seconds for seconds, _, _ in results),
    }


def tars() -> list[Path]:
    """Return tars with scenes of the nano world that no model was trained on, made once."""
    folder = BENCH / f"scenes-{IMAGES}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        write_shards(part, draw_clean(IMAGES, scene_seed(99, 0)))
        part.rename(folder)
    return sorted(folder.glob("*.tar"))


def caption_stage(paths: list[Path], setting: Setting) -> Contestant:
    """Return Curate's caption segment: one worker with two shards in flight, as a Ray actor runs it."""
    expert = DenseCaption(
        vllm(setting.model),
        prompt=DESCRIBE,
        hints=Hints(blocks=()),
        longest_side_px=setting.side_px,
        max_tokens=setting.tokens,
    )
    expert.engine.start()

    def run(number: int) -> tuple[float, int]:
        seconds = load(Pipeline([expert]), paths, OUT / f"round-{number}").measure()
        cells = OUT.glob(f"round-{number}/columns/dense_caption-*/*.parquet")
        tokens = sum(pc.sum(pq.read_table(path)["caption_completion_tokens"]).as_py() for path in cells)
        return seconds, tokens

    return run


def bare_chat(paths: list[Path], setting: Setting) -> Contestant:
    """Return the plain use of vLLM: all messages made beforehand, one call."""
    engine = vllm(setting.model)
    engine.start()  # its settings hold for the whole process
    from vllm import LLM, SamplingParams

    model = LLM(
        setting.model,
        dtype=engine.dtype,
        max_model_len=engine.max_model_len,
        max_num_seqs=engine.max_num_seqs,
        enforce_eager=engine_arguments(engine).enforce_eager,
        kv_cache_memory_bytes=int(CPU_CACHE_GIB * GIB),
        limit_mm_per_prompt={"image": 1, "video": 0},
        mm_processor_cache_gb=0,
    )
    messages = [[message(payload, setting.side_px)] for payload in images(paths)]
    sampling = SamplingParams(temperature=0.0, max_tokens=setting.tokens)

    def run(_: int) -> tuple[float, int]:
        start = time.perf_counter()
        outputs = model.chat(messages, sampling, use_tqdm=False)
        return time.perf_counter() - start, sum(len(output.outputs[0].token_ids) for output in outputs)

    return run


def images(paths: list[Path]) -> Iterator[bytes]:
    """Yield the encoded images of the tars."""
    for path in paths:
        yield from (sample.image for sample in scan(Shard(path.stem, "tar", str(path), path.stat().st_size)))


def message(payload: bytes, side_px: int) -> dict[str, Any]:
    """Return the chat turn that Curate makes of an image."""
    image = Image.fromarray(fit_budget(decode(payload, side_px), side_px))
    content = [{"type": "image_pil", "image_pil": image}, {"type": "text", "text": DESCRIBE.fill()}]
    return {"role": "user", "content": content}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--model", default=Setting.model)
    parser.add_argument("--side-px", type=int, default=Setting.side_px)
    parser.add_argument("--tokens", type=int, default=Setting.tokens)
    given = parser.parse_args()
    main(given.rounds, Setting(given.model, given.side_px, given.tokens))
