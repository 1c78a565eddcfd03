"""Find objects by names that differ from image to image."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import pyarrow as pa

from curate.captions.checking.lexicon import Lexicon, read_lexicon
from curate.errors import PlanError
from curate.experts.detections import choose, without_doubles
from curate.experts.detector_files import check_detector, check_numbers, is_transformers, needed
from curate.experts.text_prompts import Asking, OpenSetModel
from curate.models.device import torch_device
from curate.models.extras import check_extra, load_extra
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.open_objects import OPEN_OBJECTS
from schemas.prefix import check_prefix, prefixed, repr_without_defaults

__all__ = ["Finder", "OpenObjects"]

Finder: TypeAlias = Callable[[Sequence[Pixels], Sequence[Sequence[str]]], list[list[dict[str, object]]]]
"""A loaded open-set detector: images and the names of each to the boxes of each, as `schemas.objects` has them."""

_read_once = functools.cache(read_lexicon)


@dataclass(frozen=True)
class OpenObjects:
    """Add objects of the names that each sample brings, and these names; see `schemas.open_objects`.

    A sample is asked for `names` (the same for all), then for its tags, best first (`tags_column`), then for the things
    that its alt text names, of which only those that `lexicon` knows, under the lexicon's name for them: a stranger's
    words never reach the model. `sources` says which of the two are read. Past `max_names` the last are left out.

    `weights` says what runs. Through ultralytics (AGPL-3.0): a YOLOE checkpoint, or the name of one that it fetches,
    with the `text_encoder` that it was trained with, a TorchScript file (both run code: use only those you trust).
    Through transformers (Apache-2.0): a hub name with its owner ("google/owlv2-base-patch16-ensemble") or a local
    folder, of an OWLv2, which has its encoder in it: `text_encoder` is None. Each name is answered for itself, so no
    result depends on what other samples ask. Boxes of several labels may be one thing ("man", "person").

    `image_size_px` is the square that an image is fitted into; OWLv2's own processor decides that for itself.
    `min_score`, `max_overlap`, `max_objects` and `prefix` mean what they mean in `Objects`.
    Source: the role of OWL-ViTv2 in DenseFusion (arXiv 2407.08303), whose classes come from the tags; YOLOE (arXiv
    2503.07465). The alt text as a source of names is ours; so are 32 names; 0.25 is ultralytics' own.
    """

    weights: Weights = Weights("yoloe-26l-seg.pt")
    text_encoder: Weights | None = Weights("mobileclip2_b.ts")
    sources: tuple[Literal["tags", "alt_text"], ...] = ("tags", "alt_text")
    names: tuple[str, ...] = ()
    lexicon: Lexicon = field(default_factory=functools.partial(_read_once, "lvis"))
    max_names: int = 32
    image_size_px: int = 640
    min_score: float = 0.25
    max_overlap: float = 0.6
    max_objects: int = 32
    tags_column: str = "tags"
    prefix: str = ""
    version: ClassVar[int] = 1
    resources: Resources = field(default=Resources(gpus="auto", batch_rows=16), repr=False, compare=False)

    def __post_init__(self) -> None:
        check_numbers(self, ("min_score", "max_overlap"), ("max_names", "max_objects"))
        if unknown := set(self.sources) - {"tags", "alt_text"}:
            raise PlanError(f"OpenObjects: sources={sorted(unknown)}: there are tags and alt_text")
        if not self.sources and not self.names:
            raise PlanError("OpenObjects: neither sources nor names: give tags or alt_text, or a list of names")
        if any(not name.strip() for name in self.names) or len(self.names) > self.max_names:
            raise PlanError(f"OpenObjects: names={self.names}: give at most max_names={self.max_names}, none empty")
        check_prefix(self.prefix)

    def __repr__(self) -> str:
        return repr_without_defaults(self, "prefix", "tags_column")

    @property
    def needs(self) -> tuple[str, ...]:
        columns = {"tags": self.tags_column, "alt_text": "alt_text"}
        return tuple(columns[source] for source in dict.fromkeys(self.sources))

    @property
    def adds(self) -> pa.Schema:
        return prefixed(OPEN_OBJECTS, self.prefix)

    @property
    def pixels(self) -> int:
        return self.image_size_px

    @property
    def models(self) -> tuple[Needed, ...]:
        encoder = () if self.text_encoder is None else (Needed(self.text_encoder, "file"),)
        return (needed(self.weights), *encoder)

    def pinned(self, pin: Callable[[Weights], Weights]) -> "OpenObjects":
        encoder = None if self.text_encoder is None else pin(self.text_encoder)
        return dataclasses.replace(self, weights=pin(self.weights), text_encoder=encoder)

    def check(self) -> None:
        check_detector("OpenObjects", self.weights)
        own = is_transformers(self.weights)
        if own != (self.text_encoder is None):
            fault, value = ("has its own text encoder", "none") if own else ("needs one", "mobileclip2_b.ts")
            raise PlanError(f"OpenObjects: {self.weights} {fault}; give text_encoder={value}")
        if not own:
            check_extra("open_clip", "detect")
        if not self.weights.is_local() and "-pf" in self.weights.where:
            raise PlanError(f"OpenObjects: {self.weights} has a vocabulary of its own; give one without -pf")
        if self.text_encoder is not None and self.text_encoder.is_local():
            self.text_encoder.path()

    def load(self) -> Scorer:
        find = self.finder()
        objects, asked = self.adds.names

        def measure(batch: Batch) -> Measurement:
            names = [self.names_of(row) for row in batch.table.to_pylist()]
            return Measurement({objects: find(batch.images, names), asked: names})

        return measure

    def finder(self) -> Finder:
        """Load the model and return what asks it."""
        asking = Asking(self._model(), self.max_names)

        def find(images: Sequence[Pixels], names: Sequence[Sequence[str]]) -> list[list[dict[str, object]]]:
            found = (without_doubles(one, self.max_overlap) for one in asking.find(images, names))
            return [[each.row() for each in choose(one, self.max_objects)] for one in found]

        return find

    def names_of(self, row: Mapping[str, Any]) -> list[str]:
        """Return the names that a sample is asked for, each once whatever its case.

        >>> OpenObjects().names_of({"tags": [{"label": "Dog", "score": 0.9}], "alt_text": "two dogs and a cat"})
        ['Dog', 'cat']
        """
        names: dict[str, str] = {}
        for name in (*self.names, *self._tags(row), *self._named(row)):
            names.setdefault(name.casefold(), name)
        return list(names.values())[: self.max_names]

    def _tags(self, row: Mapping[str, Any]) -> Iterable[str]:
        tags = (row[self.tags_column] or ()) if "tags" in self.sources else ()
        return [tag["label"] for tag in tags if tag and tag["label"]]

    def _named(self, row: Mapping[str, Any]) -> Iterable[str]:
        text = (row["alt_text"] or "") if "alt_text" in self.sources else ""
        return [mention.label for mention in self.lexicon.mentions(text) if mention.count != 0]

    def _model(self) -> OpenSetModel:
        extra = "detect" if self.text_encoder else "detect-permissive"
        device = torch_device("OpenObjects", self.resources.gpus, load_extra("torch", extra))
        if self.text_encoder is None:
            from curate.experts.transformers_models import load_owl

            return load_owl(self.weights, self.min_score, device)
        from curate.experts.yolo_models import load_yoloe

        return load_yoloe(self.weights, self.text_encoder, self.image_size_px, self.min_score, device)
