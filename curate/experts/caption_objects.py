"""Look for what a caption names and nobody has seen."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.errors import PlanError
from curate.experts.open_objects import OpenObjects
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.caption_objects import CAPTION_OBJECTS
from schemas.fields import about

__all__ = ["CaptionObjects"]


@dataclass(frozen=True)
class CaptionObjects:
    """Add objects of the names that a caption brings, and these names; see `schemas.caption_objects`.

    A witness that is called after the captioner: of the nouns of `column`, those that `evidence` finds supported by
    what was measured before are left out, the others are asked of `detector`, in the caption's order, at most its
    `max_names` (its own `names` and `sources` are not). Names are words of letters, and only the detector's text
    encoder reads them. The added columns begin with the name of `column`; name them in the `evidence.columns.objects`
    of the stages that come after, and not here.
    Source: our own; asking a detector for what a caption claims is Woodpecker's (Yin et al. 2023, arXiv 2310.16045,
    Grounding DINO). Measured in docs/evidence.md. Left out: things that the caption does not name.
    """

    detector: OpenObjects = field(default_factory=OpenObjects)
    evidence: Evidence = field(default_factory=Evidence)
    column: str = "caption"
    version: ClassVar[int] = 1
    resources: Resources = field(default=Resources(gpus="auto", batch_rows=16), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.column.isidentifier():
            raise PlanError(f"CaptionObjects: column={self.column!r}: give the name of a text column")
        if set(self.adds.names) & set(self.evidence.columns.needs):
            raise PlanError(
                f"CaptionObjects: evidence.columns.objects={self.evidence.columns.objects} names what this stage adds; "
                "give the columns of detectors before it"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column, "objects", *self.evidence.columns.needs)

    @property
    def adds(self) -> pa.Schema:
        return about(CAPTION_OBJECTS, self.column)

    @property
    def pixels(self) -> int:
        return self.detector.pixels

    @property
    def models(self) -> tuple[Needed, ...]:
        return self.detector.models

    def pinned(self, pin: Callable[[Weights], Weights]) -> "CaptionObjects":
        return dataclasses.replace(self, detector=self.detector.pinned(pin))

    def check(self) -> None:
        self.detector.check()

    def load(self) -> Scorer:
        find = dataclasses.replace(self.detector, resources=self.resources).finder()
        objects, asked = self.adds.names

        def measure(batch: Batch) -> Measurement:
            rows = batch.table.select(list(self.needs)).to_pylist()
            names = [self.names_of(row) for row in rows]
            found = find(batch.images, [own or [] for own in names])
            seen = [None if own is None else boxes for own, boxes in zip(names, found, strict=True)]
            return Measurement({objects: seen, asked: names})

        return measure

    def names_of(self, row: Mapping[str, Any]) -> list[str] | None:
        """Return the nouns that the image is asked for; null without a caption.

        >>> row = {"caption": "A dog, a cat and no horse.", "objects": []}
        >>> CaptionObjects().names_of(row)
        ['dog', 'cat']
        """
        caption = row[self.column]
        if caption is None:
            return None
        witnesses = self.evidence.witnesses(row["objects"], self.evidence.columns.read(row))
        names = [name for name in self.evidence.named(caption) if witnesses.verdict(name) != "supported"]
        return names[: self.detector.max_names]
