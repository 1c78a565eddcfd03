"""The caption stage against bare `LLM.chat`: the nano VLM in vLLM on the same pictures, prompts and token limit.

Both engines run in this process, the one that works has both cores. Bare vLLM gets decoded pictures at their final
size; Curate starts from the tar, and decodes, resizes, guards the text and commits its columns on the way.
"""

import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.contest import print_table
from benchmarks.data import BENCH
from curate.captions.hints import Hints
from curate.engines.vllm_engine import CPU_CACHE_GIB, GIB
from curate.experts.dense_caption import DenseCaption, fit_budget
from curate.measure import Worker
from curate.pipeline import Pipeline
from curate.pixels import decode
from curate.runner import Order, prepare
from curate.sources import scan
from curate.sources.shard import Shard
from nano.make_shards import draw_clean, scene_seed, write_shards
from pipelines.quickstart import DESCRIBE, vllm

__all__ = ["main"]

OUT = BENCH / "captions"
PICTURES, ROUNDS, SIDE_PX, MAX_TOKENS = 512, 5, 336, 64
MODEL = Path("nano/vlm")
Contestant = Callable[[int], tuple[float, int]]
"""Captions all pictures, in the n-th round; returns seconds and tokens written."""
Result = tuple[float, float, int]
"""Seconds, processor seconds of this process and its engines, tokens."""


def main(rounds: int = ROUNDS) -> None:
    """Print captions and tokens per second of both, past engine start."""
    shutil.rmtree(OUT, ignore_errors=True)
    shards = tars()
    contestants = {"Curate": caption_stage(shards), "LLM.chat": bare_chat(shards)}
    print(f"captions: {PICTURES} pictures, {SIDE_PX} px, at most {MAX_TOKENS} tokens, nano VLM, {rounds} rounds")
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
    """Return the processor seconds that this process and its engines have used so far."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def figures(results: list[Result]) -> dict[str, float]:
    """Return the figures of one contestant's rounds."""
    speeds = [tokens / seconds for seconds, _, tokens in results]
    return {
        "tokens": results[0][-1],
        "best tokens/s": max(speeds),
        "median tokens/s": statistics.median(speeds),
        "per CPU second": statistics.median(tokens / cpu for _, cpu, tokens in results),
        "best pictures/s": PICTURES / min(seconds for seconds, _, _ in results),
    }


def tars() -> list[Path]:
    """Return tars with scenes of the nano world that no model was trained on, made once."""
    folder = BENCH / f"scenes-{PICTURES}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        write_shards(part, draw_clean(PICTURES, scene_seed(99, 0)))
        part.rename(folder)
    return sorted(folder.glob("*.tar"))


def caption_stage(paths: list[Path]) -> Contestant:
    """Return Curate's caption segment: one worker with two shards in flight, as a Ray actor runs it."""
    expert = DenseCaption(
        vllm(str(MODEL)), prompt=DESCRIBE, hints=Hints(blocks=()), longest_side_px=SIDE_PX, max_tokens=MAX_TOKENS
    )
    expert.engine.load()

    def run(number: int) -> tuple[float, int]:
        order = Order(Pipeline([expert]), [str(path) for path in paths], str(OUT / f"round-{number}"))
        plan = prepare(order, count_new=False)
        worker = Worker(plan.job, 0, lambda tick: None)
        worker._scorer(expert)
        start = time.perf_counter()
        with ThreadPoolExecutor(expert.resources.shards) as threads:
            list(threads.map(worker.measure, plan.unfinished))
        seconds = time.perf_counter() - start
        cells = OUT.glob(f"round-{number}/columns/dense_caption-*/*.parquet")
        tokens = sum(pc.sum(pq.read_table(path)["caption_completion_tokens"]).as_py() for path in cells)
        return seconds, tokens

    return run


def bare_chat(paths: list[Path]) -> Contestant:
    """Return the plain use of vLLM: all messages made beforehand, one call."""
    engine = vllm(str(MODEL))
    engine.load()  # its settings hold for the whole process
    from vllm import LLM, SamplingParams

    model = LLM(
        str(MODEL),
        dtype=engine.dtype,
        max_model_len=engine.max_model_len,
        max_num_seqs=engine.max_num_seqs,
        enforce_eager=engine.enforce_eager,
        kv_cache_memory_bytes=int(CPU_CACHE_GIB * GIB),
        limit_mm_per_prompt={"image": 1, "video": 0},
        mm_processor_cache_gb=0,
    )
    messages = [[message(payload)] for payload in pictures(paths)]
    sampling = SamplingParams(temperature=0.0, max_tokens=MAX_TOKENS)

    def run(_: int) -> tuple[float, int]:
        start = time.perf_counter()
        outputs = model.chat(messages, sampling, use_tqdm=False)
        return time.perf_counter() - start, sum(len(output.outputs[0].token_ids) for output in outputs)

    return run


def pictures(paths: list[Path]) -> Iterator[bytes]:
    """Yield the encoded pictures of the tars."""
    for path in paths:
        yield from (sample.image for sample in scan(Shard(path.stem, "tar", str(path), path.stat().st_size)))


def message(payload: bytes) -> dict[str, Any]:
    """Return the chat turn that Curate makes of a picture."""
    picture = Image.fromarray(fit_budget(decode(payload, SIDE_PX), SIDE_PX))
    content = [{"type": "image_pil", "image_pil": picture}, {"type": "text", "text": DESCRIBE.fill()}]
    return {"role": "user", "content": content}


if __name__ == "__main__":
    main()
