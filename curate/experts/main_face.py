"""Find the main face of an image, and the person that it belongs to, among detections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.boxes import area, shared_area
from curate.errors import PlanError
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.human import MAIN_FACE
from schemas.prefix import repr_without_defaults

__all__ = ["MainFace"]


@dataclass(frozen=True)
class MainFace:
    """Add the largest face of the detections, its size in original pixels, and the person around it.

    Which labels are faces and persons is a parameter, and so is the column of the detections (`objects_column`):
    `Objects` with face weights, or `OpenObjects` asked for these names. The size of a box is as exact as the
    detector's; RetinaFace's, for which the gates of `MinFace` were chosen, may differ.
    Source: FaceCaption-15M / HumanCaption (HumanVLM, arXiv 2411.03034), which works on the faces of RetinaFace; the
    choice of the largest, and of the person, is ours. Left out: RetinaFace itself, landmarks, faces turned upright.
    """

    face_labels: tuple[str, ...] = ("face",)
    person_labels: tuple[str, ...] = ("person",)
    objects_column: str = "objects"
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = MAIN_FACE
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=1_024), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.face_labels:
            raise PlanError("MainFace: face_labels is empty; name at least one label of the detector")

    def __repr__(self) -> str:
        return repr_without_defaults(self, "objects_column")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.objects_column, "image_width_px", "image_height_px")

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._find_all

    def _find_all(self, batch: Batch) -> Measurement:
        rows = [self._find(row) for row in batch.table.select([*self.needs]).to_pylist()]
        return Measurement({name: [row.get(name) for row in rows] for name in MAIN_FACE.names})

    def _find(self, row: Mapping[str, Any]) -> dict[str, Any]:
        if row[self.objects_column] is None:
            return {}
        faces = _boxed(row[self.objects_column], self.face_labels)
        if not faces:
            return {"face_count": 0}
        face = max(faces, key=lambda o: (area(o["box"]), o["score"] or 0.0, o["box"]))
        x0, y0, x1, y1 = face["box"]
        width, height = row["image_width_px"], row["image_height_px"]
        return {
            "face_count": len(faces),
            "face_box": face["box"],
            "face_score": face["score"],
            "face_width_px": None if width is None else (x1 - x0) * width,
            "face_height_px": None if height is None else (y1 - y0) * height,
            "body_box": _around(face["box"], _boxed(row[self.objects_column], self.person_labels)),
        }


def _boxed(objects: Sequence[Mapping[str, Any] | None], labels: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the detections of some labels whose box is one, within the image."""
    boxed: list[Mapping[str, Any]] = []
    for each in objects:
        if each is not None and each["label"] in labels and each["box"] and None not in each["box"]:
            box = [min(1.0, max(0.0, value)) for value in each["box"]]
            if len(box) == 4 and area(box) > 0:
                boxed.append({**each, "box": box})
    return boxed


def _around(face: Sequence[float], persons: Sequence[Mapping[str, Any]]) -> list[float] | None:
    """Return the smallest person box that holds at least half of a face."""
    boxes = [list(person["box"]) for person in persons if shared_area(face, person["box"]) >= 0.5 * area(face)]
    return min(boxes, key=lambda box: (area(box), box), default=None)
