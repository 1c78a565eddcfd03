"""The best loop we can write by hand for a CLIP pass on a CPU.

One process a core with one thread each; bf16; texts cut to the longest of the batch; images decoded at a reduced
DCT scale. It does the work of `benchmarks.recipes.match` and only that.
"""

import os
import sys
from collections.abc import Iterator
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.light_loop import decode, image_facts
from benchmarks.tar_walk import samples

ROWS, SIDE = 64, 224


def load(weights: Path) -> tuple[Any, Any]:
    """Return a function from images and texts to (cosines, embeddings), and the tokenizer."""
    import open_clip
    import torch

    torch.set_num_threads(1)
    model = open_clip.create_model("ViT-B-32", str(weights), precision="bf16").eval()
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    config = open_clip.get_model_preprocess_cfg(model)
    mean, deviation = (255 * torch.tensor(config[name]).view(1, 3, 1, 1) for name in ("mean", "std"))

    def encode_texts(tokens: Any) -> Any:
        ends = tokens.argmax(dim=1)
        length = int(ends.max()) + 1
        x = model.token_embedding(tokens[:, :length]).bfloat16() + model.positional_embedding[:length].bfloat16()
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
        return x[torch.arange(len(x)), ends] @ model.text_projection

    def measure(images: list[Any], texts: list[str]) -> tuple[Any, Any]:
        with torch.inference_mode():
            pixels = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in images])
            vectors = model.encode_image(((pixels.float() - mean) / deviation).bfloat16())
            vectors = torch.nn.functional.normalize(vectors.float(), dim=-1)
            written = torch.nn.functional.normalize(encode_texts(tokenizer(texts)).float(), dim=-1)
            return (vectors * written).sum(dim=-1).tolist(), vectors.half().numpy()

    return measure, tokenizer


def square(pixels: Any) -> Any:
    """Return the middle square of an image, bicubic with antialiasing, at 224 px."""
    import numpy as np
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = SIDE / min(width, height)
    image = Image.fromarray(pixels).resize((int(width * scale), int(height * scale)), Image.Resampling.BICUBIC)
    left, top = round((image.width - SIDE) / 2), round((image.height - SIDE) / 2)
    return np.array(image.crop((left, top, left + SIDE, top + SIDE)))


def measure_tar(path: Path, out: Path, measure: Any) -> None:
    """Measure a tar in batches of the images that pass the size rules, and write one Parquet file."""
    rows: list[dict[str, Any]] = []
    living = alive(path, rows)
    while batch := list(islice(living, ROWS)):
        cosines, embeddings = measure([square(pixels) for _, pixels in batch], [row["alt_text"] for row, _ in batch])
        for (row, _), cosine, embedding in zip(batch, cosines, embeddings, strict=True):
            row |= {"clip_score": cosine, "clip_embedding": embedding, "keep": cosine >= 0}
    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}
    columns["image_phash"] = pa.array(columns["image_phash"], pa.uint64())
    pq.write_table(pa.table(columns), out / f"{path.stem}.parquet", compression="zstd")


def alive(path: Path, rows: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield row and pixels of the samples that pass the size rules; `rows` receives every one."""
    for key, offset, contents in samples(path):
        pixels = decode(contents["jpg"])
        row = {
            "key": key,
            "offset": offset,
            "alt_text": contents["txt"].decode(),
            "metadata": contents["json"].decode(),
        }
        row |= image_facts(contents["jpg"], pixels)
        shorter, longer = sorted((row["image_width_px"], row["image_height_px"]))
        row["keep"] = shorter >= 200 and longer <= 3 * shorter
        rows.append(row)
        if row["keep"]:
            yield row, pixels


def work(paths: list[Path], out: Path, weights: Path) -> None:
    """Measure one process's share of the tars."""
    import cv2

    cv2.setNumThreads(1)
    measure, _ = load(weights)
    for path in paths:
        measure_tar(path, out, measure)


def main(out: Path, weights: Path, paths: list[Path]) -> None:
    """Measure tars with one process a core."""
    out.mkdir(parents=True, exist_ok=True)
    cores = os.cpu_count() or 1
    os.environ["OMP_NUM_THREADS"] = "1"  # read when the processes import torch
    with get_context("spawn").Pool(cores) as pool:
        pool.starmap(work, [(paths[i::cores], out, weights) for i in range(cores)], chunksize=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
