"""Read the text in images."""

import dataclasses
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError, SampleError
from curate.experts.ocr_models import bundled, on_hub, resolve
from curate.experts.ocr_pages import CloseReading, Quads, line_heights, stitch, tiles
from curate.experts.ocr_reader import TextReader, load_reader, reading_device
from curate.models.extras import check_extra
from curate.models.loading import loading
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.pixels import decode, probe, resize
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.ocr import OCR

__all__ = ["Ocr", "covered_frac", "reduced"]

Line = dict[str, Any]


@dataclass(frozen=True)
class Ocr:
    """Add text lines, joined text and covered area by PaddleOCR; see `schemas.ocr`.

    `detector` and `recogniser` are PaddleX model folders, hub names, or the ONNX files of the rapidocr wheel (default:
    PP-OCRv6 small, no network). The image is read with its shortest side between `min_side_px` (smaller ones are
    enlarged for the detector) and `side_px` (larger ones are reduced): 320 finds 14 px letters, 736 is PaddleOCR's own
    limit, and time grows with the area. Where the detector finds nothing, nothing is recognised; where it finds small
    lines on a larger original, that is read in tiles, see `CloseReading` (None: never). Lines under `min_score` are
    left out. Not seen is what is under 4 px in the first look: 14 px on a page of 2,480 x 3,508 px.
    Source: PP-OCRv6 with PaddleOCR's own thresholds; 0.85 is Monkey's (arXiv 2311.06607). On 300 nano scenes with a
    sign it keeps 0.993 of the texts exact, on 300 without it reads text into 10; 0.5 gives 0.967 and 40.
    """

    detector: Weights = field(default_factory=partial(bundled, "det"))
    recogniser: Weights = field(default_factory=partial(bundled, "rec"))
    engine: Literal["onnxruntime", "paddle"] = "onnxruntime"
    min_score: float = 0.85
    min_side_px: int = 320
    side_px: int = 736
    closer: CloseReading | None = field(default_factory=CloseReading)
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = OCR
    resources: Resources = field(default=Resources(batch_rows=16), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.engine not in ("onnxruntime", "paddle"):
            raise PlanError(f"Ocr: engine={self.engine!r}: give 'onnxruntime' or 'paddle'")
        if not 0 <= self.min_score <= 1:
            raise PlanError(f"Ocr: min_score={self.min_score}: give a score, 0 to 1")
        if not 32 <= self.min_side_px <= self.side_px:
            raise PlanError(f"Ocr: min_side_px={self.min_side_px}, side_px={self.side_px}: give 32 <= minimum <= side")

    @property
    def pixels(self) -> int:
        return self.side_px

    @property
    def models(self) -> tuple[Needed, ...]:
        """Its two models: in the rapidocr wheel, in a folder, or repositories of PaddlePaddle."""
        return tuple(
            Needed(on_hub(weights), "file", library="rapidocr") for weights in (self.detector, self.recogniser)
        )

    def pinned(self, pin: Callable[[Weights], Weights]) -> "Ocr":
        old = (self.detector, self.recogniser)
        new = [
            weights if weights.is_local() else Weights(weights.where, pin(on_hub(weights)).revision) for weights in old
        ]
        return dataclasses.replace(self, detector=new[0], recogniser=new[1])

    def check(self) -> None:
        for module in ("paddleocr", self.engine):
            check_extra(module, "ocr")
        for weights in (self.detector, self.recogniser):
            if weights.is_local():
                weights.path()

    def load(self) -> Scorer:
        with loading(f"Ocr: {self.detector!r} with {self.recogniser!r}"):
            models = resolve(self.detector, "det"), resolve(self.recogniser, "rec")
            threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, int(self.resources.cpus)))
            device = reading_device(self.engine, self.resources.gpus, models[0])
            reader = load_reader(*models, self.engine, device, threads)
        lock = threading.Lock()  # one page at a time: the models keep state, and a large page is large

        def measure(batch: Batch) -> Measurement:
            pages = [reduced(image, self.side_px) for image in batch.images]
            originals: Sequence[bytes | None] = batch.payloads or [None] * len(pages)
            with lock:
                return columns([self._read(reader, *pair) for pair in zip(pages, originals, strict=True)])

        return measure

    def _read(self, reader: TextReader, page: Pixels, original: bytes | None) -> list[Line]:
        quads = reader.find(page, self.min_side_px)
        if self.closer and original is not None and len(quads):
            page, quads = _closer(reader, page, quads, self.closer, original)
        return _lines(reader.read(page, quads), quads, page.shape, self.min_score)


def _closer(
    reader: TextReader, page: Pixels, quads: Quads, reading: CloseReading, original: bytes
) -> tuple[Pixels, Quads]:
    """Return the page as large as its small lines need, and the lines found in it; the same page if they need nothing.

    The original is decoded anew, and no larger than needed.
    """
    try:
        header = probe(original)
    except SampleError:  # it was decoded before: pixels without a file that fits them, as in a test
        return page, quads
    short = min(header.width_px, header.height_px)
    heights = line_heights(quads)
    scale = reading.scale(heights, short / min(page.shape[:2]))
    if scale <= 1:
        return page, quads
    width, height = (round(scale * side) for side in page.shape[1::-1])
    large = resize(decode(original, min(width, height)), width, height)
    parts = tiles(scale * quads, width, height, reading)
    found = [reader.find(large[y0:y1, x0:x1], 32) + np.array([x0, y0]) for x0, y0, x1, y1 in parts]
    return large, reader.in_order(stitch(found, scale * quads[heights >= reading.small_px]))


def reduced(image: Pixels, side_px: int) -> Pixels:
    """Return the image with its shortest side reduced to `side_px`; never enlarged."""
    height, width = image.shape[:2]
    scale = side_px / min(height, width)
    return image if scale >= 1 else resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


def _lines(texts: Sequence[tuple[str, float]], quads: Quads, shape: tuple[int, ...], min_score: float) -> list[Line]:
    """Return the lines in reading order that have a text and the least score, boxes in fractions of the page."""
    height, width = shape[:2]
    lines: list[Line] = []
    for (text, score), quad in zip(texts, quads, strict=True):
        if score >= min_score and text.strip():
            box = np.concatenate([quad.min(axis=0), quad.max(axis=0)])
            edges = np.clip(box / (width, height, width, height), 0, 1)
            lines.append({"text": text.strip(), "box": edges.tolist(), "score": min(score, 1.0)})
    return lines


def columns(images: Sequence[list[Line]]) -> Measurement:
    """Return the columns of `OCR` for the lines of n images."""
    return Measurement(
        {
            "ocr_lines": images,
            "ocr_text": ["\n".join(line["text"] for line in lines) for lines in images],
            "ocr_text_area_frac": [covered_frac(np.array([line["box"] for line in lines])) for lines in images],
            "ocr_score_mean": [
                sum(line["score"] for line in lines) / len(lines) if lines else None for lines in images
            ],
        }
    )


def covered_frac(boxes: npt.NDArray[np.float64]) -> float:
    """Return the area of the union of boxes, float64[k, 4] xyxy in 0-1: overlaps count once; no box gives 0.0.

    >>> covered_frac(np.array([[0.0, 0.0, 0.5, 1.0], [0.25, 0.0, 0.75, 1.0]]))
    0.75
    """
    if not len(boxes):
        return 0.0
    xs, ys = np.unique(boxes[:, 0::2]), np.unique(boxes[:, 1::2])
    covered = np.zeros((len(ys) - 1, len(xs) - 1), bool)
    for x0, y0, x1, y1 in zip(
        *(np.searchsorted(edges, boxes[:, i]) for i, edges in enumerate((xs, ys, xs, ys))), strict=True
    ):
        covered[y0:y1, x0:x1] = True
    return float(np.diff(ys) @ covered @ np.diff(xs))
