"""Captions: our stage, bare vLLM and transformers, on the same images, prompts and number of tokens.

Our stage starts from tars: it decodes, resizes, guards the text and commits columns on the way. The other two are given
decoded images. All take the most likely token, `Scale.tokens` times: the random weights never end a text. Each side
is measured once, after a few images of that side that warm up.
"""

import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.gpu.engines import PROMPT, captioner, engine
from benchmarks.gpu.inputs import payloads, squares
from benchmarks.gpu.step import Row, Setting
from benchmarks.gpu.watch import watching
from benchmarks.gpu.weights import chat_model
from benchmarks.segment import load
from curate.engines.engine import Request, generate
from curate.engines.vllm_engine import Vllm
from curate.pipeline import Pipeline
from curate.pixels import decode

__all__ = [
    "curate_first",
    "curate_second",
    "deterministic",
    "transformers_first",
    "transformers_second",
    "vllm_first",
    "vllm_second",
]

WARM = 8  # images


def curate_first(setting: Setting) -> Iterator[Row]:
    """Measure our stage with the first model, and whether a text depends on what else is in work."""
    vllm = engine(setting, _model(setting, 0))
    yield from _stage(setting, vllm, setting.scale.sides_px)
    yield _independence(setting, vllm)


def curate_second(setting: Setting) -> Iterator[Row]:
    """Measure our stage with the second model."""
    yield from _stage(setting, engine(setting, _model(setting, 1)), setting.scale.sides_px)


def deterministic(setting: Setting) -> Iterator[Row]:
    """Measure what `curate_first` does at one side, with an engine whose texts must not depend on the batch."""
    vllm = replace(engine(setting, _model(setting, 0)), deterministic=True)
    yield from _stage(setting, vllm, [setting.scale.side_px])
    yield _independence(setting, vllm)


def vllm_first(setting: Setting) -> Iterator[Row]:
    """Measure bare `LLM.chat` with the first model."""
    yield from _bare(setting, 0)


def vllm_second(setting: Setting) -> Iterator[Row]:
    """Measure bare `LLM.chat` with the second model."""
    yield from _bare(setting, 1)


def transformers_first(setting: Setting) -> Iterator[Row]:
    """Measure `generate` of transformers with the first model."""
    yield from _generate(setting, 0)


def transformers_second(setting: Setting) -> Iterator[Row]:
    """Measure `generate` of transformers with the second model."""
    yield from _generate(setting, 1)


def _model(setting: Setting, number: int) -> Path:
    return chat_model(setting.scale.chat_models[number], setting.work)


def _stage(setting: Setting, vllm: Vllm, sides: Sequence[int]) -> Iterator[Row]:
    start = time.perf_counter()
    vllm.start()
    started = time.perf_counter() - start
    for side in sides:
        pipeline = Pipeline([captioner(vllm, setting, side)])
        dataset = setting.scratch / str(side)
        load(pipeline, squares(setting.work, side, WARM), dataset / "warm").measure()
        work = load(pipeline, squares(setting.work, side, setting.scale.images), dataset / "full")
        with watching(setting.gpu) as watch:
            seconds = work.measure()
        cells = [pq.read_table(path) for path in dataset.glob("full/columns/dense_caption-*/*.parquet")]
        prompt, written = (
            sum(pc.sum(cell[f"caption_{kind}_tokens"]).as_py() for cell in cells) for kind in ("prompt", "completion")
        )
        count = sum(cell.num_rows for cell in cells)
        yield {**_row(side, count, seconds, prompt, written), **watch.row(), "engine start s": round(started, 1)}


def _bare(setting: Setting, number: int) -> Iterator[Row]:
    """Call `LLM.chat` once a side with all messages, as decoded images."""
    from vllm import SamplingParams

    start = time.perf_counter()
    llm = _llm(engine(setting, _model(setting, number)))
    started = time.perf_counter() - start
    sampling = SamplingParams(temperature=0.0, max_tokens=setting.scale.tokens)
    for side in setting.scale.sides_px:
        messages = [_message(image) for image in _pictures(setting, side, setting.scale.images)]
        llm.chat(messages[:WARM], sampling, use_tqdm=False)
        with watching(setting.gpu) as watch:
            before = time.perf_counter()
            outputs = llm.chat(messages, sampling, use_tqdm=False)
            seconds = time.perf_counter() - before
        prompt = sum(len(output.prompt_token_ids) for output in outputs)
        written = sum(len(output.outputs[0].token_ids) for output in outputs)
        row = _row(side, len(outputs), seconds, prompt, written)
        yield {**row, **watch.row(), "engine start s": round(started, 1)}


@functools.cache  # it lives as long as the process, which once hung after its last figure, where it was destroyed
def _llm(ours: Vllm) -> Any:
    """Return a plain `LLM` with the settings of an engine of ours that cost or save time."""
    from vllm import LLM

    return LLM(
        str(ours.model.path()),
        dtype=ours.dtype,
        max_model_len=ours.max_model_len,
        max_num_seqs=ours.max_num_seqs,
        enforce_eager=bool(ours.enforce_eager),
        gpu_memory_utilization=ours.memory_frac,
        kv_cache_memory_bytes=None if ours.kv_cache_gib is None else int(ours.kv_cache_gib * 2**30),
        limit_mm_per_prompt={"image": 1, "video": 0},
        mm_processor_cache_gb=0,
    )


def _generate(setting: Setting, number: int) -> Iterator[Row]:
    """Call `generate` batch after batch; the processor's work counts, as it does for the others."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder, device, tokens = _model(setting, number), "cuda" if setting.gpu else "cpu", setting.scale.tokens
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.bfloat16).to(device).eval()
    processor = AutoProcessor.from_pretrained(folder)
    processor.tokenizer.padding_side = "left"
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT.fill()}]}]
    prompt = processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)

    def answer(images: list[Image.Image]) -> tuple[int, int]:
        given = processor(images=images, text=[prompt] * len(images), return_tensors="pt", padding=True).to(device)
        with torch.inference_mode():
            texts = model.generate(**given, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
        asked = given["input_ids"].shape[1]
        return asked * len(images), (texts.shape[1] - asked) * len(images)

    side = setting.scale.side_px
    for batch, count in setting.scale.transformers:
        images = _pictures(setting, side, count)
        answer(images[:batch])
        with watching(setting.gpu) as watch:
            before = time.perf_counter()
            each = [answer(images[first : first + batch]) for first in range(0, count, batch)]
            seconds = time.perf_counter() - before
        asked, written = (sum(counts) for counts in zip(*each, strict=True))
        yield {"batch": batch, **_row(side, count, seconds, asked, written), **watch.row()}


def _independence(setting: Setting, vllm: Vllm) -> Row:
    """Count the texts that are the same when asked all at once, all at once in reverse, and one by one."""
    side, tokens = setting.scale.side_px, setting.scale.tokens
    images = [np.asarray(image) for image in _pictures(setting, side, min(setting.scale.images, 64))]
    requests = [Request(str(i), PROMPT.fill(), image, max_tokens=tokens) for i, image in enumerate(images)]
    together = [answer.text for answer in generate(vllm, requests)]
    reverse = [answer.text for answer in generate(vllm, requests[::-1])][::-1]
    few = range(0, len(requests), max(1, len(requests) // 8))
    alone = [generate(vllm, [requests[i]])[0].text for i in few]
    return {
        "side px": side,
        "images": len(images),
        "same in reverse order": f"{sum(map(str.__eq__, together, reverse))} of {len(images)}",
        "same when alone": f"{sum(together[i] == text for i, text in zip(few, alone, strict=True))} of {len(alone)}",
        "different texts": len(set(together)),
    }


def _pictures(setting: Setting, side: int, count: int) -> list[Image.Image]:
    tars = squares(setting.work, side, setting.scale.images)
    return [Image.fromarray(decode(payload, side)) for payload in payloads(tars)[:count]]


def _message(image: Image.Image) -> list[dict[str, Any]]:
    content = [{"type": "image_pil", "image_pil": image}, {"type": "text", "text": PROMPT.fill()}]
    return [{"role": "user", "content": content}]


def _row(side: int, images: int, seconds: float, prompt: int, written: int) -> Row:
    return {
        "side px": side,
        "images": images,
        "images/s": round(images / seconds, 3),
        "new tokens/s": round(written / seconds, 1),
        "prompt tokens": round(prompt / images),
        "new tokens": round(written / images, 1),
    }
