"""Find objects in images."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from curate.experts.detections import Detector, a_few_at_once, choose, without_doubles
from curate.experts.detector_files import check_detector, check_numbers, is_transformers, needed
from curate.models.checkpoints import ultralytics_weights
from curate.models.device import torch_device
from curate.models.extras import load_extra
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.objects import OBJECTS
from schemas.prefix import check_prefix, prefixed, repr_without_defaults

__all__ = ["Objects"]


@dataclass(frozen=True)
class Objects:
    """Add objects of a detector's own classes; see `schemas.objects`.

    `weights` says what runs. Through ultralytics (AGPL-3.0): a local checkpoint, a pickle, so use only those you trust,
    or the name of one that it publishes ("yolo11m.pt", of the pinned release, or "yolo11m.pt@v8.3.0"). Through
    transformers (Apache-2.0, as most of its detectors): a hub's "owner/name" ("PekingU/rtdetr_r50vd_coco_o365") or a
    local folder. Both are imported by `load` alone, offline, without analytics.

    Images are fitted into a square of `image_size_px`, or as the transformers model's own processor says, each for
    itself, so a result does not depend on the batch. Detections under `min_score` are left out; of one label's boxes
    that overlap by an IoU of `max_overlap` or more the best stays; past `max_objects` small ones are favoured, see
    `choose`. `prefix` is put before the name of the column, where a pipeline holds several detectors.
    Source: IoU 0.6 is Monkey's (arXiv 2311.06607); DenseFusion favours small objects and discloses no threshold
    (arXiv 2407.08303), so 0.25 is ultralytics' own and 32 is ours: what a hint block of 300 words holds.
    """

    weights: Weights = Weights("yolo11m.pt")
    image_size_px: int = 640
    min_score: float = 0.25
    max_overlap: float = 0.6
    max_objects: int = 32
    prefix: str = ""
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ()
    resources: Resources = field(default=Resources(gpus="auto", batch_rows=16, gpu_gib=4.0), repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", ultralytics_weights(self.weights))
        check_numbers(self, ("min_score", "max_overlap"), ("max_objects",))
        check_prefix(self.prefix)

    def __repr__(self) -> str:
        return repr_without_defaults(self, "prefix")

    @property
    def adds(self) -> pa.Schema:
        return prefixed(OBJECTS, self.prefix)

    @property
    def pixels(self) -> int:
        return self.image_size_px

    @property
    def models(self) -> tuple[Needed, ...]:
        return (needed(self.weights),)

    def pinned(self, pin: Callable[[Weights], Weights]) -> "Objects":
        return dataclasses.replace(self, weights=pin(self.weights))

    def check(self) -> None:
        check_detector("Objects", self.weights)

    def load(self) -> Scorer:
        detector = self._detector()
        (column,) = self.adds.names

        def measure(batch: Batch) -> Measurement:
            found = [one for part in a_few_at_once(batch.images) for one in detector(part)]
            kept = [choose(without_doubles(one, self.max_overlap), self.max_objects) for one in found]
            return Measurement({column: [[each.row() for each in one] for one in kept]})

        return measure

    def _detector(self) -> Detector:
        extra = "detect-permissive" if is_transformers(self.weights) else "detect"
        device = torch_device("Objects", self.resources.gpus, load_extra("torch", extra))
        if is_transformers(self.weights):
            from curate.experts.transformers_models import load_detector
        else:
            from curate.experts.yolo_models import load_detector
        return load_detector(self.weights, self.image_size_px, self.min_score, device)
