"""Find where text is in images, without reading it."""

import dataclasses
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from curate.errors import PlanError
from curate.experts.ocr import covered_frac, reduced
from curate.experts.ocr_models import bundled, on_hub, resolve
from curate.experts.ocr_reader import load_reader
from curate.models.extras import check_extra
from curate.models.loading import loading
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.text_boxes import TEXT_BOXES

__all__ = ["TextBoxes"]


@dataclass(frozen=True)
class TextBoxes:
    """Add the boxes of text lines and the area that they cover, by PaddleOCR's detector; see `schemas.text_boxes`.

    It is `Ocr` without reading: for `MaskedClip`, and for filters on the area. `detector` is a PaddleX model folder, a
    hub name, or the ONNX file of the rapidocr wheel (default: PP-OCRv6 small, no network). The image is looked at with
    its shortest side between `min_side_px` and `side_px`. Unlike `ocr_lines`, boxes whose text could not be read count.
    Source: T-MARS finds text at 512 px (Maini et al. 2023, arXiv 2307.03132), with FAST; here PP-OCRv6.
    """

    detector: Weights = field(default_factory=partial(bundled, "det"))
    engine: Literal["onnxruntime", "paddle"] = "onnxruntime"
    min_side_px: int = 320
    side_px: int = 512
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = TEXT_BOXES
    resources: Resources = field(default=Resources(batch_rows=16), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.engine not in ("onnxruntime", "paddle"):
            raise PlanError(f"TextBoxes: engine={self.engine!r}: give 'onnxruntime' or 'paddle'")
        if not 32 <= self.min_side_px <= self.side_px:
            raise PlanError(
                f"TextBoxes: min_side_px={self.min_side_px}, side_px={self.side_px}: give 32 <= minimum <= side"
            )

    @property
    def pixels(self) -> int:
        return self.side_px

    @property
    def models(self) -> tuple[Needed, ...]:
        """Its model: in the rapidocr wheel, in a folder, or a repository of PaddlePaddle."""
        return (Needed(on_hub(self.detector), "file", library="rapidocr"),)

    def pinned(self, pin: Callable[[Weights], Weights]) -> "TextBoxes":
        if self.detector.is_local():
            return self
        pinned = Weights(self.detector.where, pin(on_hub(self.detector)).revision)
        return dataclasses.replace(self, detector=pinned)

    def check(self) -> None:
        for module in ("paddleocr", self.engine):
            check_extra(module, "ocr")
        if self.detector.is_local():
            self.detector.path()

    def load(self) -> Scorer:
        with loading(f"TextBoxes: {self.detector!r}"):
            threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, int(self.resources.cpus)))
            device = "gpu" if self.resources.gpus else "cpu"
            reader = load_reader(resolve(self.detector, "det"), None, self.engine, device, threads)
        lock = threading.Lock()  # one page at a time: the model keeps state

        def find(image: Pixels) -> list[list[float]]:
            page = reduced(image, self.side_px)
            height, width = page.shape[:2]
            quads = reader.find(page, self.min_side_px)
            edges = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1) / (width, height, width, height)
            boxes: list[list[float]] = np.clip(edges, 0, 1).tolist()
            return boxes

        def measure(batch: Batch) -> Measurement:
            with lock:
                boxes = [find(image) for image in batch.images]
            areas = [covered_frac(np.array(each)) for each in boxes]
            return Measurement({"text_boxes": boxes, "text_area_frac": areas})

        return measure
