"""Score how well image and alt text match once the text in the image is painted out."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import pyarrow as pa

from curate.errors import ContractError, PlanError
from curate.experts.clip import Clip, Towers, load_towers
from curate.experts.text_masking import boxes_of, paint_out
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.masked_clip import MASKED_CLIP
from schemas.prefix import prefixed

__all__ = ["MaskedClip"]

SAME: Final = 0.03  # cosines of one model differ by less, whatever the precision and the batch


@dataclass(frozen=True)
class MaskedClip:
    """Add the cosine of alt text and image with the image's text painted out: T-MARS; see `schemas.masked_clip`.

    A pair whose only match is text that the image shows scores lower than `clip_score`: it teaches reading, not seeing.
    `clip` is the stage that measured `clip_score`; where an image shows no text that score is taken, and elsewhere the
    masked image goes through the same model, which a worker holds once. Its prefix is the columns' prefix too. So put
    the stage that finds the text, `TextBoxes` or `Ocr`, before `Clip`, and this right after it: then all three stand in
    one segment on CPUs, and both scores in one on a GPU. `boxes` is the column with the text: `text_boxes`, or
    `ocr_lines`. Each box grows by `margin` of its height and is filled with the mean colour around it.
    Source: T-MARS (Maini et al. 2023, arXiv 2307.03132), which keeps the highest scores of the pool; the fill is ours.
    """

    clip: Clip = field(default=Clip())
    boxes: str = "text_boxes"
    margin: float = 0.1
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 1:
            raise PlanError(f"MaskedClip: margin={self.margin}: give a share of a line's height, 0 to 1")

    @property
    def needs(self) -> tuple[str, ...]:
        return ("alt_text", self.boxes, f"{self.clip.prefix}clip_score")

    @property
    def adds(self) -> pa.Schema:
        return prefixed(MASKED_CLIP, self.clip.prefix)

    @property
    def pixels(self) -> int:
        return self.clip.pixels

    @property
    def resources(self) -> Resources:
        return self.clip.resources

    def check(self) -> None:
        self.clip.check()

    def load(self) -> Scorer:
        towers, proof = load_towers(self.clip), _Proof(self.needs[2])

        def measure(batch: Batch) -> Measurement:
            rows = batch.table.select([*self.needs, "uid"]).to_pylist()
            known = [row[self.needs[2]] for row in rows]
            masked = [self._masked(row, image) for row, image in zip(rows, batch.images, strict=True)]
            proof.check(towers, batch, rows, [area for _, area in masked])
            scores = [score if area is not None else None for score, (_, area) in zip(known, masked, strict=True)]
            again = [i for i, (_, area) in enumerate(masked) if area and known[i] is not None]
            for i, score in zip(again, _cosines(towers, [(masked[i][0], rows[i]) for i in again]), strict=True):
                scores[i] = score
            return Measurement(dict(zip(self.adds.names, (scores, [area for _, area in masked]), strict=True)))

        return measure

    def _masked(self, row: Mapping[str, Any], image: Pixels) -> tuple[Pixels, float | None]:
        if row[self.boxes] is None:
            return image, None
        return paint_out(image, boxes_of(row[self.boxes]), self.margin)


@dataclass(slots=True)
class _Proof:
    """Makes sure, on the first image without text, that the scores which are taken over are of the same model."""

    column: str
    done: threading.Event = field(default_factory=threading.Event)

    def check(
        self, towers: Towers, batch: Batch, rows: Sequence[Mapping[str, Any]], areas: Sequence[float | None]
    ) -> None:
        if self.done.is_set():
            return
        at = next((i for i, area in enumerate(areas) if area == 0 and rows[i][self.column] is not None), None)
        if at is None:
            return
        (score,) = _cosines(towers, [(batch.images[at], rows[at])])
        if abs(score - rows[at][self.column]) > SAME:
            raise ContractError(
                f"MaskedClip: {self.column} of {rows[at]['uid']} is {rows[at][self.column]:.3f}, but its own model "
                f"gives {score:.3f}; give it the same Clip as the stage that measured {self.column}"
            )
        self.done.set()


def _cosines(towers: Towers, pairs: Sequence[tuple[Pixels, Mapping[str, Any]]]) -> list[float]:
    """Return the cosine of each image with the alt text of its row."""
    import torch

    if not pairs:
        return []
    with torch.inference_mode():
        images = towers.images.encode([image for image, _ in pairs])
        texts, _ = towers.texts.encode([row["alt_text"] for _, row in pairs])
        cosines: list[float] = (images * texts).sum(dim=-1).tolist()
    return cosines
