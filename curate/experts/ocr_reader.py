"""PaddleOCR's detector and recogniser, each on its own: first where text is, then what it says."""

import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from curate.errors import PlanError
from curate.experts.ocr_models import OcrModel
from curate.experts.ocr_pages import Quads
from curate.models.cache import cache_folder
from curate.models.extras import load_extra
from curate.stages import Gpus, Pixels

__all__ = ["TextReader", "load_reader", "reading_device"]

RECOGNISED_AT_ONCE: Final = 6  # as PaddleOCR's own pipeline does: lines of a batch are padded to the longest
THRESHOLDS: Final = {"thresh": 0.3, "box_thresh": 0.6, "unclip_ratio": 1.5}  # its pipeline's, for PP-OCRv6
SMALL_PIXELS: Final = 1 << 22  # a page up to here is copied whole
AROUND_PX: Final = 8  # what is cut out of a page around a line, so that a slanted crop stays inside


@dataclass(frozen=True, slots=True)
class TextReader:
    """Finds and reads lines as PaddleOCR's pipeline does. Not thread-safe: its predictors keep state between calls."""

    detector: Any
    recogniser: Any
    sort: Any
    cut: Any

    def find(self, page: Pixels, min_side_px: int) -> Quads:
        """Return the lines of a page, enlarged until its shorter side has `min_side_px`; top to bottom, unread."""
        (result,) = self.detector.predict(_bgr(page), limit_side_len=min_side_px, limit_type="min")
        return self.in_order(result["dt_polys"])

    def in_order(self, quads: Sequence[Any] | Quads) -> Quads:
        """Return lines in reading order: top to bottom, lines of about one height from left to right."""
        if not len(quads):
            return np.zeros((0, 4, 2))
        return np.array(self.sort(quads), np.float64)

    def read(self, page: Pixels, quads: Quads) -> list[tuple[str, float]]:
        """Return text and score of each line, ("", 0.0) for one that has no pixels."""
        crops = self._crops(page, quads)
        shapes = {i: crop.shape[1] / crop.shape[0] for i, crop in enumerate(crops) if crop.size}
        at = sorted(shapes, key=lambda i: shapes[i])
        texts = [("", 0.0)] * len(crops)
        results = self.recogniser.predict([crops[i] for i in at], batch_size=RECOGNISED_AT_ONCE) if at else []
        for i, result in zip(at, results, strict=True):
            texts[i] = (str(result["rec_text"]), float(result["rec_score"]))
        return texts

    def _crops(self, page: Pixels, quads: Quads) -> list[Pixels]:
        """Cut out lines, turned upright; of a large page only the surroundings of each are copied."""
        if page.shape[0] * page.shape[1] <= SMALL_PIXELS:
            return list(self.cut(_bgr(page), quads.astype(np.float32))) if len(quads) else []
        crops = []
        for quad in quads:
            left, top = (max(0, int(low) - AROUND_PX) for low in quad.min(axis=0))
            right, bottom = (int(high) + AROUND_PX for high in quad.max(axis=0))
            crops += self.cut(_bgr(page[top:bottom, left:right]), [(quad - (left, top)).astype(np.float32)])
        return crops


def load_reader(detector: OcrModel, recogniser: OcrModel | None, engine: str, device: str, threads: int) -> TextReader:
    """Load both models, or the detector alone: then the reader only finds. Nothing is fetched that has a folder."""
    os.environ.setdefault("PADDLE_PDX_CACHE_HOME", str(cache_folder() / "paddlex"))  # else it writes to ~/.paddlex
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")  # else it probes hubs at import
    library = load_extra("paddleocr", "ocr")
    parts = load_extra("paddlex.inference.pipelines.components", "ocr")
    logging.getLogger("paddlex").setLevel(logging.ERROR)
    config = {"intra_op_num_threads": threads, "inter_op_num_threads": 1} if engine == "onnxruntime" else None
    return TextReader(
        library.TextDetection(
            model_name=detector.name,
            model_dir=detector.folder,
            engine=engine,
            engine_config=config,
            device=device,
            **THRESHOLDS,
        ),
        recogniser
        and library.TextRecognition(
            model_name=recogniser.name,
            model_dir=recogniser.folder,
            engine=engine,
            engine_config=config,
            device=device,
        ),
        parts.SortQuadBoxes(),
        parts.CropByPolys(det_box_type="quad"),
    )


def reading_device(engine: str, gpus: Gpus, detector: OcrModel) -> str:
    """Return "gpu" or "cpu" for a worker with so many GPUs; "auto" is a GPU where the engine can compute on one.

    Raises PlanError where a GPU was given that it cannot use: it would stand idle while OCR takes days on CPUs.
    """
    if not gpus:
        return "cpu"
    lacking = _onnxruntime_lacks(detector) if engine == "onnxruntime" else _paddle_lacks()
    if lacking is None:
        return "gpu"
    if gpus != "auto":
        raise PlanError(f"Ocr was given {gpus:g} of a GPU, but {lacking}, or run it on CPUs with resources.gpus=0")
    if "libraries" in lacking:
        warnings.warn(f"Ocr reads on CPUs: {lacking}", stacklevel=2)
    return "cpu"


def _onnxruntime_lacks(detector: OcrModel) -> str | None:
    """Return what keeps ONNX Runtime from a GPU; it falls back to the CPU by itself if a library of CUDA is missing."""
    runtime = load_extra("onnxruntime", "ocr")
    cuda = "CUDAExecutionProvider"
    if cuda not in runtime.get_available_providers():
        return "this onnxruntime computes on CPUs only: install onnxruntime-gpu in its place"
    onnx = Path(detector.folder) / "inference.onnx"
    if cuda in runtime.InferenceSession(str(onnx), providers=[cuda, "CPUExecutionProvider"]).get_providers():
        return None
    return "onnxruntime cannot load the libraries of CUDA and cuDNN that it was built for: install those"


def _paddle_lacks() -> str | None:
    device = load_extra("paddle", "ocr").device
    usable = device.is_compiled_with_cuda() and device.cuda.device_count() > 0
    return None if usable else "this paddle sees no GPU: install paddlepaddle-gpu and a driver"


def _bgr(image: Pixels) -> Pixels:
    return np.ascontiguousarray(image[:, :, ::-1])
