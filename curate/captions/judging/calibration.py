"""How well a judge's scores agree with labels, and whether that is enough to let it drop captions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from curate.errors import PlanError

__all__ = ["GOOD", "Agreement", "Bar", "Calibration", "agreement", "read_calibration"]

GOOD: Final = 3
"""The least label of a good caption: SAIL-VL2 calls captions below 3 of 5 unacceptable (arXiv 2509.14033)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What keeping the scores of at least `minimum` does to a labelled set; fractions are null where nothing counts.

    A caption is good when its label is at least `GOOD`. One that got no score is not kept. `kept_precision` is the
    share of good ones among the kept, `kept_recall` the share of the good ones that are kept, `dropped_...` the same of
    bad ones and the dropped: a judge that likes everything has `dropped_recall` 0, whatever the set. `kappa` is Cohen's
    over kept and dropped, `exact` the share of scored captions whose score is the label; null for fractions.
    """

    column: str
    minimum: float
    items: int
    good: int
    unscored: int
    kept_precision: float | None
    kept_recall: float | None
    dropped_precision: float | None
    dropped_recall: float | None
    accuracy: float | None
    kappa: float | None
    exact: float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """What a judge has to reach before it may drop anything: for what it keeps and for what it drops.

    Source: SAIL-VL2's trained 2B judge reaches precision/recall 0.916/0.903 (ITA) and 0.983/0.975 (VIR) on its own
    labels (arXiv 2509.14033); untrained ones 0.436/0.994 and 0.823/0.560. `items` of each class are ours: with 30, a
    measured 0.9 is between 0.74 and 0.98 (95 % Wilson interval).
    """

    precision: float = 0.9
    recall: float = 0.9
    items: int = 30

    def shortfalls(self, axis: str, found: Agreement) -> list[str]:
        """Return what is missing, in words; empty when the judge may be used for this axis."""
        few = min(found.good, found.items - found.good)
        short = [f"{axis}: {few} captions of the rarer label, {self.items} needed"] if few < self.items else []
        for name, least in (("precision", self.precision), ("recall", self.recall)):
            for side in ("kept", "dropped"):
                value = getattr(found, f"{side}_{name}")
                if value is None or value < least:
                    short.append(f"{axis}: {side} {name} {'undefined' if value is None else value}, {least} needed")
        return short


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured agreement by axis, bound to the stage-id of the judge: engine, weights, prompt and settings.

    `stages` are the stage-ids of all experts that ran, `labels` the name and digest of the labelled set.
    """

    judge: str
    engine: str | None
    prompt: str | None
    stages: tuple[str, ...]
    labels: str
    axes: Mapping[str, Agreement]

    def to_json(self) -> str:
        return json.dumps({"version": 1, **asdict(self)}, indent=1) + "\n"

    def refusal(self, judge: str, axes: Sequence[str], minimum: float, bar: Bar) -> str | None:
        """Return the sentence that says why a judge may not be used; None when it may."""
        if judge != self.judge:
            return f"the calibration is of {self.judge}, not of {judge}: engine, weights, prompt or settings differ"
        if missing := [axis for axis in axes if axis not in self.axes]:
            return f"the calibration says nothing about {', '.join(missing)}"
        if other := [axis for axis in axes if self.axes[axis].minimum != minimum]:
            return f"the calibration of {', '.join(other)} is for another threshold than {minimum}"
        short = [line for axis in axes for line in bar.shortfalls(axis, self.axes[axis])]
        return f"measured on {self.labels}, {'; '.join(short)}" if short else None


def agreement(column: str, minimum: float, labels: Sequence[float], scores: Sequence[float | None]) -> Agreement:
    """Measure scores against labels of the same captions.

    >>> found = agreement("caption_ita", 3, [5, 5, 1, 1], [5, 2, 4, None])
    >>> found.kept_precision, found.kept_recall, found.dropped_recall, found.unscored, found.kappa
    (0.5, 0.5, 0.5, 1, 0.0)
    """
    good = [label >= GOOD for label in labels]
    kept = [score is not None and score >= minimum for score in scores]
    n, both = len(good), list(zip(good, kept, strict=True))
    right = sum(a == b for a, b in both)
    chance = (sum(good) * sum(kept) + (n - sum(good)) * (n - sum(kept))) / n**2 if n else 1.0
    scored = [(label, score) for label, score in zip(labels, scores, strict=True) if score is not None]
    return Agreement(
        column,
        minimum,
        n,
        sum(good),
        n - len(scored),
        _share(both.count((True, True)), sum(kept)),
        _share(both.count((True, True)), sum(good)),
        _share(both.count((False, False)), n - sum(kept)),
        _share(both.count((False, False)), n - sum(good)),
        _share(right, n),
        round((right / n - chance) / (1 - chance), 3) if chance < 1 else None,
        None if any(score % 1 for _, score in scored) else _share(sum(a == b for a, b in scored), len(scored)),
    )


def read_calibration(text: str) -> Calibration:
    """Return what `Calibration.to_json` wrote; raises PlanError if it is anything else."""
    try:
        table: dict[str, Any] = json.loads(text)
        if table.pop("version") != 1:
            raise ValueError("another version")
        axes = {name: Agreement(**axis) for name, axis in table.pop("axes").items()}
        return Calibration(**{**table, "stages": tuple(table["stages"]), "axes": axes})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(f"this is not a calibration that `curate calibrate` wrote: {error}") from error


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None
