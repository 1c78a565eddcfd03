"""What one knob up or down would do to a run's time: bounds of filters, the length of texts, leaving a stage out."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.inspect.forecast.estimate import Forecast, other_seconds
from curate.inspect.forecast.pilot import Pilot
from curate.inspect.query import query
from curate.pipeline import Step
from curate.stages import Expert, Filter
from curate.storage.store import Store

__all__ = ["Knob", "knobs"]

MOVES = (0.9, 1.1)  # of a bound
LEAST_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Knob:
    """A change, the share of all samples that is kept with it (null: as before), and the seconds that the run takes."""

    change: str
    kept: float | None
    seconds: float


def knobs(store: Store, pilot: Pilot, forecast: Forecast) -> list[Knob]:
    """Return what moving each bound by a tenth, writing half as much, or leaving an engine's stage out would do."""
    return [*_bounds(store, pilot, forecast), *_engines(store, pilot, forecast)]


def _bounds(store: Store, pilot: Pilot, forecast: Forecast) -> Iterator[Knob]:
    shares = pilot.reach.sum(axis=0) / pilot.samples
    rows = _rows(store, pilot)
    for i, step in enumerate(pilot.steps):
        if not isinstance(step.stage, Filter) or not shares[i]:
            continue
        came = rows.filter([_came(pilot.steps, i, row) for row in rows.select(["dropped_by", "error"]).to_pylist()])
        for name, value in _numbers(step.stage):
            for move in MOVES:
                changed = type(value)(round(value * move)) if isinstance(value, int) else round(value * move, 6)
                if changed == value:
                    continue
                passing = _passing(came, replace(step.stage, **{name: changed}))  # type: ignore[type-var]
                was = float(shares[i + 1] / shares[i])
                if passing is None or abs(passing - was) < 1 / max(pilot.samples, 1):
                    continue
                factor = passing / was if was else 0.0
                other = np.concatenate([shares[: i + 1], np.minimum(shares[i + 1 :] * factor, shares[i])])
                seconds = other_seconds(pilot, other, forecast)
                label = f"{type(step.stage).__name__}.{name} {value:g} -> {changed:g}"
                yield Knob(label, float(other[-1]), seconds)


def _rows(store: Store, pilot: Pilot) -> pa.Table:
    """Return what the filters read of the pilot's samples, and what became of them."""
    needs = {name: None for step in pilot.steps if isinstance(step.stage, Filter) for name in step.stage.needs}
    columns = ", ".join(f'"{name}"' for name in [*needs, "dropped_by", "error"])
    return query(store, f"SELECT {columns} FROM samples", pilot.manifest.id)


def _passing(came: pa.Table, stage: Filter) -> float | None:
    """Return which share of the samples that came to a filter another one in its place would keep; null of none."""
    if not came.num_rows:
        return None
    keeps = stage.keep(came.select(list(stage.needs)))
    return float(pc.mean(pc.cast(pc.fill_null(keeps, False), "float64")).as_py())


def _came(steps: tuple[Step, ...], index: int, row: dict[str, str | None]) -> bool:
    """Tell whether a sample came to the stage `index`."""
    reason, error = row["dropped_by"], row["error"]
    if reason is not None:
        names = [step.repr for step in steps[:index]]
        return reason.removeprefix("unmeasured: ") not in names
    if error is not None:
        label = error.partition(": ")[0]
        return any(step.label == label for step in steps[index:])
    return True


def _numbers(stage: Filter) -> list[tuple[str, float]]:
    if not is_dataclass(stage):
        return []
    each = [(field.name, getattr(stage, field.name)) for field in fields(stage) if field.init]
    return [(name, value) for name, value in each if isinstance(value, int | float) and not isinstance(value, bool)]


def _engines(store: Store, pilot: Pilot, forecast: Forecast) -> Iterator[Knob]:
    """Yield what it saves to leave out a stage that asks an engine, and to let it write half as much."""
    shares = pilot.reach.sum(axis=0) / pilot.samples
    for index, segment in enumerate(pilot.segments):
        if segment.engine is None:
            continue
        own = [step for step in pilot.steps[segment.first : segment.stop] if isinstance(step.stage, Expert)]
        spent = {step.label: float(pilot.stages.get(step.label, {}).get("seconds", 0.0)) for step in own}
        for step in own:
            if not spent[step.label]:
                continue
            part = spent[step.label] / sum(spent.values())
            changes = [(f"without {step.label}", part)] if len(own) > 1 else []
            if (most := getattr(step.stage, "max_tokens", None)) and (cut := _cut(store, pilot, step, most // 2)):
                changes.append((f"{step.label}.max_tokens {most} -> {most // 2}, if its time is writing", part * cut))
            for label, less in changes:
                rates = list(pilot.rates)
                rates[index] *= 1 - less
                seconds = other_seconds(replace(pilot, rates=tuple(rates)), shares, forecast)
                yield Knob(label, None, seconds)


def _cut(store: Store, pilot: Pilot, step: Step, most: int) -> float | None:
    """Return which share of the tokens that a stage wrote lies past a smaller limit; null if none does."""
    assert isinstance(step.stage, Expert)
    name = next((name for name in step.stage.adds.names if name.endswith("_completion_tokens")), None)
    if name is None or most < LEAST_TOKENS:
        return None
    sql = f'SELECT 1 - sum(least("{name}", {most})) / sum("{name}") AS cut FROM samples WHERE "{name}" > 0'
    cut = query(store, sql, pilot.manifest.id)["cut"][0].as_py()
    return float(cut) if cut else None
