"""The gate between a judge's scores and a decision: it opens only for a judge that was measured."""

from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curate.captions.judging.calibration import Bar, read_calibration
from curate.errors import PlanError
from curate.experts.caption_judge import CaptionJudge
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Resources, Scorer, stage_id
from schemas.caption_gate import CAPTION_GATE
from schemas.fields import about
from schemas.prefix import check_prefix, repr_without_defaults

__all__ = ["CaptionGate", "caption_gate"]

AXES = ("vir", "ita")


@dataclass(frozen=True)
class CaptionGate:
    """Add whether both scores of `CaptionJudge` reach `minimum`, if that judge may be trusted.

    `judge` is the stage-id of the judge and `calibration` a file that `curate calibrate` wrote for it; one that does
    not reach `bar` on both axes stops the run before it starts. `uncalibrated=True` takes any judge: then the column
    says what an unmeasured model thinks. `column` is that of the judge, whose columns begin with it. It is an expert
    and no filter because it refuses to start.
    Source: SAIL-VL2 (arXiv 2509.14033) drops captions below 3 on either axis, 300M to 250M, and finds judging without
    training unusable. Left out: its yes/no head.
    """

    judge: str = ""
    calibration: Weights | None = None
    minimum: int = 3
    bar: Bar = field(default_factory=Bar)
    uncalibrated: bool = False
    column: str = "caption"
    version: ClassVar[int] = 1
    pixels: ClassVar[None] = None
    resources: ClassVar[Resources] = Resources(batch_rows=512)

    def __post_init__(self) -> None:
        check_prefix(self.column)

    def __repr__(self) -> str:
        return repr_without_defaults(self, "column")

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(f"{self.column}_{axis}" for axis in AXES)

    @property
    def adds(self) -> pa.Schema:
        return about(CAPTION_GATE, self.column)

    def check(self) -> None:
        if self.uncalibrated:
            return
        way_out = "calibrate a better judge with `curate calibrate`, or take this one as it is with uncalibrated=True"
        if self.calibration is None:
            raise PlanError(
                f"no caption may be dropped on the word of {self.judge or 'a judge'} that was not measured; first run "
                "with -p caption_gate=none -p caption_accepted=none, label some of its captions, then "
                "`curate calibrate RECIPE LABELS --out judge.json` and run with -p calibration=judge.json "
                "(docs/judges.md), or take it as it is with -p uncalibrated=true"
            )
        path = self.calibration.path()
        if not path.is_file():
            raise PlanError(f"{path} is not a file that `curate calibrate` wrote")
        reason = read_calibration(path.read_text(errors="replace")).refusal(self.judge, AXES, self.minimum, self.bar)
        if reason:
            raise PlanError(f"the judge may not drop captions, says {path.name}: {reason}; {way_out}")

    def load(self) -> Scorer:
        return self._accept

    def _accept(self, batch: Batch) -> Measurement:
        enough = [pc.greater_equal(batch.table[name], self.minimum) for name in self.needs]
        return Measurement({f"{self.column}_accepted": pc.and_(*enough).combine_chunks()})


def caption_gate(judge: CaptionJudge, calibration: str = "", uncalibrated: bool = False) -> CaptionGate:
    """Return the gate of a judge; `calibration` is the path of its calibration file, "" when there is none."""
    file = Weights(calibration) if calibration else None
    return CaptionGate(stage_id(judge), file, uncalibrated=uncalibrated, column=judge.column)
