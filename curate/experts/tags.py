"""Name what an image shows, out of a few thousand words."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar

import pyarrow as pa

from curate.errors import PlanError
from curate.experts.detections import a_few_at_once
from curate.experts.detector_files import check_detector, check_numbers, is_transformers, needed
from curate.experts.text_prompts import Found
from curate.models.device import torch_device
from curate.models.extras import load_extra
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.prefix import check_prefix, prefixed, repr_without_defaults
from schemas.tags import TAGS

__all__ = ["Tags"]


@dataclass(frozen=True)
class Tags:
    """Add the names of what an image shows, by a prompt-free YOLOE; see `schemas.tags`.

    `weights` is a local checkpoint (a pickle: use only those you trust) or the name of one that ultralytics publishes,
    with a vocabulary of its own: the "-pf" ones know 4,585 names, the list of the tagger RAM++. Each box gives its best
    name, each name its best score; those under `min_score` are left out, and past `max_tags` the lowest. Images are
    fitted into a square of `image_size_px`, so a result does not depend on the batch. `prefix` is put before the name
    of the column. ultralytics is AGPL-3.0: it is imported by `load` alone, offline for local weights.
    Source: YOLOE (Wang et al. 2025, arXiv 2503.07465), in the place of RAM++ in DenseFusion (arXiv 2407.08303), which
    discloses no threshold: 0.25 is ultralytics' own for boxes and 32 is ours, as many as `OpenObjects` asks about.
    Left out: names of what has no box, such as "sunset" or "night", which a tagger knows and a detector rarely.
    """

    weights: Weights = Weights("yoloe-26l-seg-pf.pt")
    image_size_px: int = 640
    min_score: float = 0.25
    max_tags: int = 32
    prefix: str = ""
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    resources: Resources = field(default=Resources(gpus="auto", batch_rows=16), repr=False, compare=False)

    def __post_init__(self) -> None:
        check_numbers(self, ("min_score",), ("max_tags",))
        check_prefix(self.prefix)

    def __repr__(self) -> str:
        return repr_without_defaults(self, "prefix")

    @property
    def adds(self) -> pa.Schema:
        return prefixed(TAGS, self.prefix)

    @property
    def pixels(self) -> int:
        return self.image_size_px

    @property
    def models(self) -> tuple[Needed, ...]:
        return (needed(self.weights),)

    def pinned(self, pin: Callable[[Weights], Weights]) -> "Tags":
        return dataclasses.replace(self, weights=pin(self.weights))

    def check(self) -> None:
        if is_transformers(self.weights):
            raise PlanError(f"Tags: {self.weights} is no checkpoint of ultralytics; give a yoloe-*-pf.pt")
        check_detector("Tags", self.weights)
        if not self.weights.is_local() and "-pf" not in self.weights.where:
            raise PlanError(f"Tags: {self.weights} has no vocabulary of its own; give one that ends with -pf.pt")

    def load(self) -> Scorer:
        from curate.experts.yolo_models import load_tagger

        device = torch_device("Tags", self.resources.gpus, load_extra("torch", "detect"))
        model = load_tagger(self.weights, self.image_size_px, self.min_score, device)
        vocabulary = model.vocabulary
        (column,) = self.adds.names

        def measure(batch: Batch) -> Measurement:
            found = chain.from_iterable(map(model.detect, a_few_at_once(batch.images)))
            return Measurement({column: [self._best(answers, vocabulary) for answers in found]})

        return measure

    def _best(self, found: Sequence[Found], vocabulary: Sequence[str]) -> list[dict[str, Any]]:
        scores: dict[str, float] = {}
        for each in found:
            label = vocabulary[each.name]
            scores[label] = max(each.score, scores.get(label, 0.0))
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        return [{"label": label, "score": score} for label, score in ranked[: self.max_tags]]
