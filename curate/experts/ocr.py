"""Read the text in images."""

import dataclasses
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError
from curate.experts.ocr_models import OcrModel, bundled, on_hub, resolve
from curate.models.cache import cache_folder
from curate.models.extras import check_extra, load_extra
from curate.models.loading import loading
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.pixels import resize
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.ocr import OCR

__all__ = ["Ocr", "covered_frac"]

Line = dict[str, Any]


@dataclass(frozen=True)
class Ocr:
    """Add text lines, joined text and covered area by PaddleOCR; see `schemas.ocr`.

    `detector` and `recogniser` are PaddleX model folders, hub names, or the ONNX files of the rapidocr wheel (default:
    PP-OCRv6 small, no network). The image is read with its shortest side between `min_side_px` (smaller ones are
    enlarged for the detector) and `side_px` (larger ones are reduced): 320 finds 14 px letters, 736 is PaddleOCR's own
    limit, and time grows with the area. Lines under `min_score` are left out.
    Source: PP-OCRv6 with PaddleOCR's own thresholds; 0.85 is Monkey's (arXiv 2311.06607). On 300 nano scenes with a
    sign it keeps 0.993 of the texts exact, on 300 without it reads text into 10; 0.5 gives 0.967 and 40.
    """

    detector: Weights = field(default_factory=partial(bundled, "det"))
    recogniser: Weights = field(default_factory=partial(bundled, "rec"))
    engine: Literal["onnxruntime", "paddle"] = "onnxruntime"
    min_score: float = 0.85
    min_side_px: int = 320
    side_px: int = 736
    version: ClassVar[int] = 1
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
            reader = _load_reader(self, resolve(self.detector, "det"), resolve(self.recogniser, "rec"))
        lock = threading.Lock()  # PaddleOCR's pipeline keeps state between calls

        def measure(batch: Batch) -> Measurement:
            pages = [_reduced(image, self.side_px) for image in batch.images]
            with lock:
                lines = [self._read(reader, page) for page in pages]
            return columns(lines)

        return measure

    def _read(self, reader: Any, page: Pixels) -> list[Line]:
        bgr = np.ascontiguousarray(page[:, :, ::-1])
        result = reader.predict(bgr, text_det_limit_side_len=self.min_side_px, text_det_limit_type="min")[0]
        return _lines(result, page.shape, self.min_score)


def _load_reader(expert: Ocr, detector: OcrModel, recogniser: OcrModel) -> Any:
    os.environ.setdefault("PADDLE_PDX_CACHE_HOME", str(cache_folder() / "paddlex"))  # else it writes to ~/.paddlex
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")  # else it probes hubs at import
    library = load_extra("paddleocr", "ocr")
    logging.getLogger("paddlex").setLevel(logging.ERROR)
    threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, int(expert.resources.cpus)))
    onnx = {"intra_op_num_threads": threads, "inter_op_num_threads": 1}
    return library.PaddleOCR(
        engine=expert.engine,
        engine_config=onnx if expert.engine == "onnxruntime" else None,
        device="gpu" if expert.resources.gpus else "cpu",
        use_doc_orientation_classify=False,
        use_doc_unwarping=False,
        use_textline_orientation=False,
        text_detection_model_name=detector.name,
        text_detection_model_dir=detector.folder,
        text_recognition_model_name=recogniser.name,
        text_recognition_model_dir=recogniser.folder,
    )


def _reduced(image: Pixels, side_px: int) -> Pixels:
    height, width = image.shape[:2]
    scale = side_px / min(height, width)
    return image if scale >= 1 else resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


def _lines(result: Mapping[str, Any], shape: tuple[int, ...], min_score: float) -> list[Line]:
    """Return the lines in PaddleOCR's reading order: top to bottom, then left to right."""
    height, width = shape[:2]
    lines: list[Line] = []
    for text, score, box in zip(result["rec_texts"], result["rec_scores"], result["rec_boxes"], strict=True):
        if score >= min_score and text.strip():
            edges = np.clip(np.asarray(box, np.float64) / (width, height, width, height), 0, 1)
            lines.append({"text": text.strip(), "box": edges.tolist(), "score": min(float(score), 1.0)})
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
