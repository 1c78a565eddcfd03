"""Find objects in images."""

import dataclasses
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curate.captions.boxes import area, overlap
from curate.errors import PlanError
from curate.models.cache import cache_folder
from curate.models.checkpoints import check_ultralytics, ultralytics_weights
from curate.models.extras import check_extra, load_extra
from curate.models.loading import loading
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.objects import OBJECTS

__all__ = ["Detection", "Objects", "choose", "without_doubles"]


@dataclass(frozen=True, slots=True)
class Detection:
    """One object: its class, its box as x0, y0, x1, y1 in fractions of the image, and its score 0 to 1."""

    label: str
    box: tuple[float, float, float, float]
    score: float

    @property
    def area(self) -> float:
        return area(self.box)


@dataclass(frozen=True)
class Objects:
    """Add objects by any ultralytics checkpoint; see `schemas.objects`.

    `weights` is a local checkpoint, or the name of one that ultralytics publishes ("yolo11m.pt", of the pinned release,
    or "yolo11m.pt@v8.3.0"). A checkpoint is a pickle: use only those you trust. Images are fitted into a square of
    `image_size_px`, so a result does not depend on the batch. Detections under `min_score` are left out; of one label's
    boxes that overlap by an IoU of `max_overlap` or more the best stays; past `max_objects` small ones are favoured,
    see `choose`.
    ultralytics is AGPL-3.0: it is imported by `load` alone, offline for local weights, without analytics.
    Source: IoU 0.6 is Monkey's (arXiv 2311.06607); DenseFusion favours small objects and discloses no threshold
    (arXiv 2407.08303), so 0.25 is ultralytics' own and 32 is ours: what a hint block of 300 words holds.
    """

    weights: Weights = Weights("yolo11m.pt")
    image_size_px: int = 640
    min_score: float = 0.25
    max_overlap: float = 0.6
    max_objects: int = 32
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = OBJECTS
    resources: Resources = field(default=Resources(batch_rows=16), repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", ultralytics_weights(self.weights))
        for name in ("min_score", "max_overlap"):
            if not 0 < getattr(self, name) <= 1:
                raise PlanError(f"Objects: {name}={getattr(self, name)}: give a number above 0, at most 1")
        if self.image_size_px < 32 or self.image_size_px % 32:
            raise PlanError(f"Objects: image_size_px={self.image_size_px}: give a multiple of 32")
        if self.max_objects < 1:
            raise PlanError(f"Objects: max_objects={self.max_objects}: give 1 or more")

    @property
    def pixels(self) -> int:
        return self.image_size_px

    @property
    def models(self) -> tuple[Needed, ...]:
        return (Needed(self.weights, "file", library="ultralytics"),)

    def pinned(self, pin: Callable[[Weights], Weights]) -> "Objects":
        return dataclasses.replace(self, weights=pin(self.weights))

    def check(self) -> None:
        check_ultralytics("Objects", self.weights)
        check_extra("ultralytics", "detect")

    def load(self) -> Scorer:
        model = _load_model(self.weights)
        device = "cuda:0" if self.resources.gpus else "cpu"
        lock = threading.Lock()  # a predictor keeps state between calls

        def measure(batch: Batch) -> Measurement:
            with lock:
                results = self._predict(model, batch.images, device)
            return Measurement({"objects": [list(map(_row, self._keep(result))) for result in results]})

        return measure

    def _predict(self, model: Any, images: Sequence[Pixels], device: str) -> list[Any]:
        import torch

        threads = torch.get_num_threads()
        results = model.predict(
            [np.ascontiguousarray(image[:, :, ::-1]) for image in images],
            imgsz=self.image_size_px,
            conf=self.min_score,
            rect=False,
            device=device,
            verbose=False,
        )
        torch.set_num_threads(threads)  # ultralytics takes all cores but one
        return list(results)

    def _keep(self, result: Any) -> list[Detection]:
        labels, boxes = result.names, result.boxes
        edges = np.clip(boxes.xyxyn.cpu().numpy().astype(np.float64), 0, 1).tolist()
        detections = [
            Detection(str(labels[int(kind)]), (x0, y0, x1, y1), float(score))
            for (x0, y0, x1, y1), kind, score in zip(edges, boxes.cls.tolist(), boxes.conf.tolist(), strict=True)
        ]
        return choose(without_doubles(detections, self.max_overlap), self.max_objects)


def _row(detection: Detection) -> dict[str, object]:
    return {"label": detection.label, "box": list(detection.box), "score": detection.score}


def _load_model(weights: Weights) -> Any:
    os.environ.setdefault("YOLO_CONFIG_DIR", str(cache_folder()))  # else settings go to ~/.config
    os.environ.setdefault("YOLO_VERBOSE", "false")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    library = load_extra("ultralytics", "detect")
    library.settings.update({"sync": False})  # no usage reports
    with loading(f"Objects: {weights!r}"):
        return library.YOLO(str(weights.path()), task="detect")


def _best_first(detection: Detection) -> tuple[float, float, str, tuple[float, ...]]:
    return -detection.score, detection.area, detection.label, detection.box


def without_doubles(detections: Sequence[Detection], max_overlap: float) -> list[Detection]:
    """Return the detections, best first, less those that overlap a better one of their label by `max_overlap` IoU."""
    kept: list[Detection] = []
    for one in sorted(detections, key=_best_first):
        if all(one.label != other.label or overlap(one.box, other.box) < max_overlap for other in kept):
            kept.append(one)
    return kept


def choose(detections: Sequence[Detection], limit: int) -> list[Detection]:
    """Return at most `limit` detections, best first: half the places (rounded up) by score, the others by smallness.

    The better half goes to the highest scores, the other places to the smallest boxes of what is left, so that a crowd
    of sure large objects does not hide the small ones. Equal scores: the smaller box first; then label, then box.
    """
    ranked = sorted(detections, key=_best_first)
    if len(ranked) <= limit:
        return ranked
    best, rest = ranked[: (limit + 1) // 2], ranked[(limit + 1) // 2 :]
    smallest = sorted(rest, key=lambda one: (one.area, *_best_first(one)))[: limit - len(best)]
    return sorted(chain(best, smallest), key=_best_first)
