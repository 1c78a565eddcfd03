"""What other thresholds would keep, counted from columns alone."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from curate.dataset.manifest import StageRecord
from curate.errors import PlanError
from curate.inspect.gallery.frame import Frame

__all__ = ["Knob", "Outcome", "Rules", "count_at", "find_rules"]

BINS: Final = 60
WAYS: Final = (">=", "<=", ">", "<")
MOST_COLUMNS, MOST_BOUNDS = 2, 2


@dataclass(frozen=True, slots=True)
class Knob:
    """One bound of a filter: it lets pass where `value` (SQL) stands to `bound` in the `way` of WAYS.

    `bars` count the measured samples between `low` and `high` in bins of one width; the outer ones hold what is beyond.
    """

    stage: int
    filter: str
    name: str
    label: str
    value: str
    way: str
    bound: float
    low: float = 0.0
    high: float = 1.0
    bars: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """The filters of a run: `knobs` can be turned, `fixed` (stage -> why) decide as they did."""

    knobs: Sequence[Knob]
    fixed: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Samples at some thresholds: `kept` for certain, `gained` and `lost` against the run, `unknown` until a run.

    Unknown is who would pass what stopped it, and was never measured for, or judged by, a stage behind that.
    `gained_where` and `lost_where` are SQL conditions that find the samples.
    """

    samples: int
    kept: int
    gained: int
    lost: int
    unknown: int
    gained_where: str
    lost_where: str
    unknown_where: str


def find_rules(frame: Frame) -> Rules:
    """Return the filters whose decisions follow from a comparison of numbers, which is tried on every sample.

    A filter of one bound and a column or two (the lesser or greater of them), or of two bounds and one column, gets a
    knob for each bound if some ways of comparing agree with all that it decided in the run; all other filters are
    fixed.
    """
    knobs: list[Knob] = []
    fixed: dict[int, str] = {}
    for i, stage in enumerate(frame.view.run.stages):
        if stage.kind != "filter":
            continue
        found = next((ways for ways in _candidates(frame, i, stage) if _agrees(frame, i, ways)), None)
        if found is None:
            fixed[i] = stage.repr
        knobs += [_with_bars(frame, knob) for knob in found or ()]
    return Rules(knobs, fixed)


def count_at(frame: Frame, rules: Rules, bounds: Mapping[int, float]) -> Outcome:
    """Return what knobs at other bounds (by index) keep; the others stay where they are."""
    if any(i not in range(len(rules.knobs)) for i in bounds):
        raise PlanError(f"the run has {len(rules.knobs)} thresholds that can be tried")
    knobs = [replace(knob, bound=bounds.get(i, knob.bound)) for i, knob in enumerate(rules.knobs)]
    # who is kept has passed what was not moved; who was stopped by that stays out
    still = " AND ".join(_compare(frame, knobs[i]) for i in bounds) or "true"
    back = f"error IS NULL AND stopped IN ({', '.join(str(knobs[i].stage) for i in bounds) or 'NULL'})"
    passes = _passes(frame, rules, knobs)
    row = frame.ask(
        f"SELECT count(*) FILTER (WHERE stopped IS NULL AND p), count(*) FILTER (WHERE stopped IS NOT NULL AND p), "
        f"count(*) FILTER (WHERE stopped IS NULL AND NOT p), count(*) FILTER (WHERE p IS NULL) FROM (SELECT stopped, "
        f"CASE WHEN stopped IS NULL THEN {still} ELSE {passes} END AS p FROM frame WHERE stopped IS NULL OR ({back}))"
    ).to_pydict()
    stay, gained, lost, unknown = (int(values[0]) for values in row.values())
    conditions = (f"{back} AND ({passes})", f"stopped IS NULL AND NOT ({still})", f"{back} AND ({passes}) IS NULL")
    return Outcome(frame.size, stay + gained, gained, lost, unknown, *conditions)


def _candidates(frame: Frame, index: int, stage: StageRecord) -> Iterator[list[Knob]]:
    """Yield the ways in which the bounds of a filter may stand to its columns, the usual ones first."""
    columns = [name for name in stage.needs if _is_number(frame.kinds.get(name, ""))]
    bounds = list(stage.bounds.items())
    if len(columns) != len(stage.needs) or not 1 <= len(columns) <= MOST_COLUMNS or not 1 <= len(bounds) <= MOST_BOUNDS:
        return
    if len(columns) * len(bounds) > MOST_COLUMNS:
        return
    for label, value in _values(columns):
        for ways in itertools.product(WAYS, repeat=len(bounds)):
            pairs = zip(bounds, ways, strict=True)
            yield [Knob(index, stage.repr, name, label, value, way, float(bound)) for (name, bound), way in pairs]


def _values(columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return what a filter may compare, for people and as SQL."""
    names = [f'"{name}"' for name in columns]
    if len(names) == 1:
        return [(columns[0], names[0])]
    both = " AND ".join(f"{name} IS NOT NULL" for name in names)
    return [
        (f"the {word} of {' and '.join(columns)}", f"CASE WHEN {both} THEN {function}({', '.join(names)}) END")
        for word, function in (("lesser", "least"), ("greater", "greatest"))
    ]


def _agrees(frame: Frame, index: int, knobs: Sequence[Knob]) -> bool:
    """Tell whether knobs decide as the filter did on every sample that reached it and was measured."""
    decides = " AND ".join(_compare(frame, knob) for knob in knobs)
    differs = f"(stopped IS NULL OR stopped >= {index}) AND ({decides}) = (stopped IS NOT NULL AND stopped = {index})"
    return not frame.ask(f"SELECT 1 FROM frame WHERE {differs} LIMIT 1").num_rows


def _compare(frame: Frame, knob: Knob) -> str:
    """Return the SQL of a comparison, in the precision of the column, as filters compare."""
    single = any(kind == "FLOAT" and f'"{name}"' in knob.value for name, kind in frame.kinds.items())
    return f"{knob.value} {knob.way} CAST({knob.bound!r} AS {'FLOAT' if single else 'DOUBLE'})"


def _passes(frame: Frame, rules: Rules, knobs: Sequence[Knob]) -> str:
    """Return the SQL of whether a sample passes all filters; null where only a run could tell.

    A null that was measured before the sample stopped is a decision of the filter: it drops what it cannot judge.
    """
    terms = []
    for knob in knobs:
        known = f"coalesce(stopped, 32767) >= {_measured(frame, knob)}"
        terms.append(f"coalesce({_compare(frame, knob)}, CASE WHEN {known} THEN false END)")
    terms += [
        f"CASE WHEN stopped = {i} THEN false WHEN coalesce(stopped, 32767) > {i} THEN true END" for i in rules.fixed
    ]
    return " AND ".join(terms) or "stopped IS NULL"


def _measured(frame: Frame, knob: Knob) -> int:
    """Return the index of the last stage that adds a column which the knob reads; -1 if the source does."""
    stages = enumerate(frame.view.run.stages)
    return max((i for i, stage in stages if any(f'"{n}"' in knob.value for n in stage.schema().names)), default=-1)


def _with_bars(frame: Frame, knob: Knob) -> Knob:
    value = f"CAST({knob.value} AS DOUBLE)"
    ends = frame.ask(
        f"SELECT min(v), max(v), approx_quantile(v, 0.005), approx_quantile(v, 0.995) "
        f"FROM (SELECT {value} AS v FROM frame) WHERE isfinite(v)"
    ).to_pydict()
    least, most, low, high = (values[0] for values in ends.values())
    if least is None:
        return replace(knob, low=knob.bound - 0.5, high=knob.bound + 0.5, bars=[0] * BINS)
    low, high = (low, high) if low < high else (least, most)
    low, high = min(low, knob.bound), max(high, knob.bound)
    low, high = (low, high) if low < high else (low - 0.5, high + 0.5)
    step = (high - low) / BINS
    clipped = f"least(greatest(v, {low!r}), {high!r})"
    rows = frame.ask(
        f"SELECT least(CAST(floor(({clipped} - {low!r}) / {step!r}) AS INTEGER), {BINS - 1}) AS bin, count(*) AS n "
        f"FROM (SELECT {value} AS v FROM frame) WHERE isfinite(v) GROUP BY bin"
    ).to_pylist()
    counts = {row["bin"]: row["n"] for row in rows}
    return replace(knob, low=low, high=high, bars=[counts.get(i, 0) for i in range(BINS)])


def _is_number(kind: str) -> bool:
    return kind in ("FLOAT", "DOUBLE") or kind.removeprefix("U") in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
