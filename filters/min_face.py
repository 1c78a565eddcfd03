"""Drop images without a large and certain face."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MinFace"]


@dataclass(frozen=True, slots=True)
class MinFace:
    """Keep images whose main face is at least `side_px` wide and high, in original pixels, and `score` certain.

    Source: FaceCaption-15M, on which HumanCaption builds (HumanVLM, arXiv 2411.03034): 128 x 128 px and 0.98 by
    RetinaFace. A score belongs to its detector: a YOLO's is lower for the same face.

    >>> size = {"face_width_px": [128.0, 300.0, None, None], "face_height_px": [128.0, 127.0, None, None]}
    >>> faces = pa.table({"face_count": [1, 2, 0, None], "face_score": [0.98, 0.99, None, None]} | size)
    >>> MinFace().keep(faces).to_pylist()
    [True, False, False, None]
    """

    side_px: float = 128
    score: float = 0.98
    needs: ClassVar[tuple[str, ...]] = ("face_count", "face_score", "face_width_px", "face_height_px")

    def __post_init__(self) -> None:
        if self.side_px < 0 or not 0 <= self.score <= 1:
            raise ValueError(f"side_px={self.side_px}, score={self.score}: give a size and a score from 0 to 1")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        certain = pa.scalar(self.score, pa.float64()).cast(table["face_score"].type, safe=False)
        large = pc.and_kleene(
            pc.greater_equal(table["face_width_px"], pa.scalar(self.side_px, pa.float64())),
            pc.greater_equal(table["face_height_px"], pa.scalar(self.side_px, pa.float64())),
        )
        good = pc.and_kleene(large, pc.greater_equal(table["face_score"], certain))
        return pc.and_kleene(pc.greater(table["face_count"], 0), good)
