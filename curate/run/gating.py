"""What gates have dropped so far: artefacts of samples, and so which samples an expert still looks at."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ContractError
from curate.pipeline import Step
from curate.stages import Filter, Gate, Stage

__all__ = ["Gated", "Mask", "decide"]

Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Gated:
    """The artefacts of n samples: `dropped_by` has for each that a gate judged n texts, None where it is alive."""

    rows: int
    gates: dict[str, Gate] = field(default_factory=dict)
    dropped_by: dict[str, npt.NDArray[np.object_]] = field(default_factory=dict)

    def alive(self, stage: Stage) -> Mask:
        """Return bool[n]: the samples of which every artefact that a stage reads or writes is alive."""
        names = (*stage.needs, *(stage.adds.names if hasattr(stage, "adds") else ()))
        alive = np.ones(self.rows, dtype=bool)
        for artefact, gate in self.gates.items():
            if gate.owns(names):
                alive &= _none(self.dropped_by[artefact])
        return alive

    def judge(self, step: Step, gate: Gate, table: pa.Table, kept: Mask) -> tuple[int, int]:
        """Let a gate judge the artefacts of the kept samples that are alive; return how many, and how many it drops."""
        self.gates.setdefault(gate.artefact, gate)
        reasons = self.dropped_by.setdefault(gate.artefact, np.full(self.rows, None, object))
        living = kept & _none(reasons)
        if not living.any():
            return 0, 0
        keep, unknown = decide(step, gate.filter, table)
        reasons[living & ~keep] = repr(gate.filter)
        reasons[living & unknown] = f"unmeasured: {gate.filter!r}"
        return int(living.sum()), int((living & ~keep).sum())

    def take(self, rows: npt.NDArray[np.int64]) -> "Gated":
        """Return those of some rows."""
        return Gated(len(rows), self.gates, {name: texts[rows] for name, texts in self.dropped_by.items()})

    def put(self, rows: npt.NDArray[np.int64], part: "Gated") -> None:
        """Set those of some rows to what `take` gave and gates judged since."""
        self.gates = part.gates
        for name, texts in part.dropped_by.items():
            self.dropped_by.setdefault(name, np.full(self.rows, None, object))[rows] = texts


def _none(texts: npt.NDArray[np.object_]) -> Mask:
    return np.array([text is None for text in texts], dtype=bool)


def decide(step: Step, stage: Filter, table: pa.Table) -> tuple[Mask, Mask]:
    """Return what a filter keeps, and what it cannot tell: a null means that a value it needs was never measured."""
    keeps = stage.keep(table)
    if len(keeps) != table.num_rows:
        raise ContractError(f"{step.repr}: {len(keeps)} verdicts for {table.num_rows} rows")
    keep = pc.fill_null(keeps, False).to_numpy(zero_copy_only=False)
    return keep, pc.is_null(keeps).to_numpy(zero_copy_only=False)
