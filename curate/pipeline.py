"""A pipeline is a plain list of stages."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Literal, TypeAlias

import pyarrow as pa

from curate.engines.engine import Engine
from curate.errors import PlanError
from curate.stages import (
    SAMPLE_STAGE,
    SOURCE_NAME,
    CorpusStage,
    Expert,
    Filter,
    Gate,
    Measures,
    Resources,
    Stage,
    stage_id,
    stage_name,
    sum_gpus,
)
from schemas.cell import CELL
from schemas.fields import about
from schemas.sample import SAMPLE
from schemas.verdict import GATE, VERDICT

__all__ = [
    "FailureLimits",
    "Kind",
    "Leg",
    "Pipeline",
    "Segment",
    "Step",
    "added_columns",
    "bind",
    "engines_of",
    "follow_ids",
    "stage_labels",
    "verdict_id",
]

Kind: TypeAlias = Literal["cpu", "gpu", "engine"]
"""What the workers of a segment hold: models on CPUs, models that want a GPU, or an engine."""


@dataclass(frozen=True, slots=True)
class FailureLimits:
    """The limits of a pipeline; not part of its identity. Null: no limit.

    Each worker looks at its last `window_rows` rows of each stage, from `min_rows` on. The error limit counts
    failures of the stage itself, not broken images. There is no drop limit unless a recipe sets one: a source
    sorted by kind may well have shards of which a filter rightly drops all.
    """

    max_error_frac: float | None = 0.5
    max_drop_frac: float | None = None
    window_rows: int = 1_000
    min_rows: int = 200

    def __post_init__(self) -> None:
        for name in ("max_error_frac", "max_drop_frac"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise PlanError(
                    f"FailureLimits({name}={value!r}): give a fraction between 0 and 1, or None for no limit"
                )
        if not 1 <= self.min_rows <= self.window_rows:
            raise PlanError(
                f"FailureLimits: min_rows={self.min_rows} is not between 1 and window_rows={self.window_rows}"
            )


@dataclass(frozen=True, slots=True)
class Step:
    """A stage with its identity, which is resolved once on the driver and sent to workers.

    `id` names the folder of the cells of a stage that measures and is the repr of a filter; whatever is counted or
    remembered about a stage is kept by it. `label` is what verdicts and people call the stage: see `stage_labels`.
    `pool` is the digest of the pool of a corpus stage, once it is known: see `bind`.
    """

    stage: Stage
    id: str
    label: str
    repr: str
    pool: str = ""


def bind(step: Step, pool: str) -> Step:
    """Return the step of a corpus stage for a pool of this digest: another pool has other cells.

    >>> bind(Step(Filter, "rank_fraction-v1-5f3a91c2", "rank_fraction", ""), "0f3e").id
    'rank_fraction-v1-5f3a91c2-0f3e'
    """
    bound = f"{step.id.removesuffix(f'-{step.pool}')}-{pool}"
    return replace(step, id=bound, label=bound if step.label == step.id else step.label, pool=pool)


@dataclass(frozen=True, slots=True)
class Leg:
    """Stages first to stop - 1, which look at one sample at a time; a corpus stage at `stop`, unless that is the end.

    All shards are through a leg before its corpus stage measures, and that before the next leg begins.
    """

    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A maximal run of stages that one kind of worker does; `first` is the index of its first stage.

    Where segments begin and end is a function of the stages alone, never of the machine.
    """

    first: int
    stages: tuple[Stage, ...]

    @property
    def kind(self) -> Kind:
        """What a worker of the segment holds: the strongest that one of its experts holds."""
        kinds = {kind_of(expert) for expert in self.experts}
        return "engine" if "engine" in kinds else "gpu" if "gpu" in kinds else "cpu"

    @property
    def stop(self) -> int:
        return self.first + len(self.stages)

    @property
    def experts(self) -> tuple[Expert, ...]:
        return _experts(self.stages)

    @property
    def engine(self) -> Engine | None:
        """The engine that the workers of this segment hold, if any."""
        return next((engine for expert in self.experts if (engine := engine_of(expert))), None)

    @property
    def resources(self) -> Resources:
        """What a worker needs to hold all experts of the segment; experts that share an engine count once.

        Where images are decoded, they set the rows of a chunk: hundreds of texts at once save little, hundreds of
        images are hundreds of megabytes.
        """
        each = [expert.resources for expert in self.experts] or [Resources()]
        heavy = [expert.resources for expert in self.experts if expert.pixels is not None] or each
        workers = [r.workers for r in each if r.workers is not None]
        add = max if self.engine else sum
        names = {name for r in each for name, _ in r.custom}
        custom = {name: add(dict(r.custom).get(name, 0.0) for r in each) for name in names}
        return Resources(
            cpus=max(r.cpus for r in each),
            gpus=sum_gpus((r.gpus for r in each), add),
            workers=min(workers) if workers else None,
            batch_rows=max(r.batch_rows for r in heavy),
            in_flight=max(r.in_flight for r in each),
            shards=max(r.shards for r in each),
            custom=tuple(sorted(custom.items())),
        )


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in order, over one growing table of samples; `limits` say when a run has gone wrong."""

    stages: Sequence[Stage]
    limits: FailureLimits = field(default=FailureLimits(), compare=False)

    def schema(self, given: pa.Schema = SAMPLE) -> pa.Schema:
        """Return the columns at the end, or raise PlanError naming the stage that does not fit.

        `given` are the columns that the samples have to begin with, beside their uid.
        """
        have = pa.schema([CELL.field("uid"), *(column for column in given if column.name != "uid")])
        reserved = {*CELL.names, *VERDICT.names}
        for i, stage in enumerate(self.stages):
            if not isinstance(stage, Expert | CorpusStage | Filter | Gate):
                raise PlanError(
                    f"stage {i} {stage!r} is neither an expert (needs, adds, load) nor a filter (needs, keep) nor a "
                    "corpus stage (needs, adds, measure)"
                )
            _check_gates(self.stages, i)
            if missing := [name for name in stage.needs if name not in have.names]:
                raise PlanError(f"stage {i} {stage!r} needs {missing}; columns so far: {have.names}")
            for added in added_columns(stage, have.names):
                if added.name in have.names or added.name in reserved:
                    raise PlanError(f"stage {i} {stage!r} adds {added.name!r}, which already exists")
                have = have.append(added)
        return have

    def check(self) -> None:
        """Raise PlanError if a stage does not fit or lacks an extra or weights; loads nothing."""
        self.schema()
        for stage in self.stages:
            if isinstance(stage, Measures):
                stage.check()

    @property
    def experts(self) -> tuple[Expert, ...]:
        return _experts(self.stages)

    def segments(self) -> list[Segment]:
        """Split the stages where workers have to hold something else: models on CPUs, models on a GPU, an engine.

        An expert that looks at no image and asks for nothing but a CPU starts no segment: it works on what is there.
        Between two stages of one engine nothing is cut, since the same engine would be started twice. A corpus stage
        is in no segment: it stands between the last of one leg and the first of the next.
        """
        stages = tuple(self.stages)
        return [
            Segment(leg.first + a, stages[leg.first + a : leg.first + b])
            for leg in self.legs()
            for a, b in _cuts(stages[leg.first : leg.stop])
        ]

    def legs(self) -> list[Leg]:
        """Split the stages at the corpus stages; a leg may be empty."""
        at = [i for i, stage in enumerate(self.stages) if isinstance(stage, CorpusStage)]
        return [Leg(a, b) for a, b in zip([0, *(i + 1 for i in at)], [*at, len(self.stages)], strict=True)]

    def resolve(self) -> tuple[Step, ...]:
        """Return the stages with their identities. Digests weights, so a run asks once, on the driver."""
        reprs = [repr(stage) for stage in self.stages]
        measuring = {
            i: (stage_name(stage), stage_id(stage, reprs[i]))
            for i, stage in enumerate(self.stages)
            if isinstance(stage, Measures)
        }
        labels = dict(zip(measuring, stage_labels(list(measuring.values())), strict=True))
        return tuple(
            Step(stage, measuring[i][1] if i in measuring else reprs[i], labels.get(i, reprs[i]), reprs[i])
            for i, stage in enumerate(self.stages)
        )

    def verdict_id(self, limit: int | str | None = None) -> str:
        """Return the folder name of this pipeline's decisions; see the function of this name."""
        return verdict_id(self.resolve(), limit)


def follow_ids(old: Sequence[Stage], new: Sequence[Stage]) -> list[Stage]:
    """Return the new stages, in which whoever names an old one by its id, as `CaptionGate` its judge, names the new."""
    changed = [
        (stage_id(a), stage_id(b))
        for a, b in zip(old, new, strict=True)
        if a is not b and isinstance(a, Measures) and isinstance(b, Measures)
    ]
    ids = dict(changed)
    followed: list[Stage] = []
    for stage in new:
        values = _own_fields(stage)
        named = {name: ids[value] for name, value in values.items() if isinstance(value, str) and value in ids}
        followed.append(replace(stage, **named) if named else stage)  # type: ignore[type-var]
    return followed


def _own_fields(stage: Stage) -> dict[str, object]:
    """Return the fields of a stage that are given to it."""
    if not is_dataclass(stage):
        return {}
    return {each.name: getattr(stage, each.name) for each in fields(stage) if each.init}


def added_columns(stage: Stage, have: Sequence[str]) -> pa.Schema:
    """Return the columns that a stage adds to those there are: the first gate of an artefact adds what dropped it."""
    if isinstance(stage, Gate):
        return about(GATE, stage.artefact) if stage.column not in have else pa.schema([])
    return stage.adds if isinstance(stage, Measures) else pa.schema([])


def _check_gates(stages: Sequence[Stage], i: int) -> None:
    """Raise PlanError if stage i is a gate of what no stage makes, or a corpus stage behind a gate of its columns."""
    stage = stages[i]
    if isinstance(stage, Gate):
        names = [name for other in stages if isinstance(other, Measures) for name in other.adds.names]
        if not stage.owns(names):
            raise PlanError(f"stage {i} {stage!r}: no stage adds a column {stage.artefact} or {stage.artefact}_...")
    if isinstance(stage, CorpusStage):
        names = [*stage.needs, *stage.adds.names]
        if gate := next((gate for gate in stages[:i] if isinstance(gate, Gate) and gate.owns(names)), None):
            raise PlanError(f"stage {i} {stage!r} looks at all samples, also those that {gate!r} gates: put it before")


def verdict_id(steps: Sequence[Step], limit: int | str | None = None) -> str:
    """Return the folder name of a pipeline's decisions: a hash of every stage in order."""
    parts = [SAMPLE_STAGE, f"limit={limit}", *(step.id for step in steps)]
    return f"verdict-v1-{hashlib.blake2b(chr(10).join(parts).encode(), digest_size=4).hexdigest()}"


def stage_labels(experts: Sequence[tuple[str, str]]) -> list[str]:
    """Return what people call stages that measure, given as (name, id): the id only where names are shared.

    >>> stage_labels([("ocr", "ocr-v1-aa"), ("clip", "clip-v1-bb"), ("clip", "clip-v1-cc")])
    ['ocr', 'clip-v1-bb', 'clip-v1-cc']
    """
    times = Counter([SOURCE_NAME, *(name for name, _ in experts)])
    return [name if times[name] == 1 else each for name, each in experts]


def _cuts(stages: Sequence[Stage]) -> list[tuple[int, int]]:
    """Return where the segments of a leg begin and end in it."""
    cuts: list[int] = [0]
    held: tuple[Kind, Engine | None] | None = None
    for i, stage in enumerate(stages):
        if not isinstance(stage, Expert) or (kind := kind_of(stage)) is None:
            continue
        engine = engine_of(stage)
        if held and held[1] and not engine and held[1] in map(engine_of, _experts(stages[i:])):
            continue
        if (held and held != (kind, engine)) or (engine and not held and _experts(stages[:i])):
            cuts.append(i)
        held = kind, engine
    return list(zip(cuts, [*cuts[1:], len(stages)], strict=True))


def _experts(stages: Sequence[Stage]) -> tuple[Expert, ...]:
    return tuple(stage for stage in stages if isinstance(stage, Expert))


def kind_of(expert: Expert) -> Kind | None:
    """Return what a worker has to hold for an expert; null: only texts and columns, any worker will do."""
    if engine_of(expert) is not None:
        return "engine"
    if expert.resources.gpus:
        return "gpu"
    return "cpu" if expert.pixels is not None or expert.resources.custom else None


def engine_of(expert: Expert) -> Engine | None:
    """Return the engine that decides in which segment an expert runs: the first that it holds, if it holds one."""
    return next(iter(engines_of(expert)), None)


def engines_of(expert: object) -> tuple[Engine, ...]:
    """Return all engines that an expert holds: the fields that are one or a tuple of them, in the order of fields."""
    values: list[object] = [getattr(expert, each.name) for each in fields(expert)] if is_dataclass(expert) else []
    several = (value if isinstance(value, tuple) else (value,) for value in values)
    return tuple(value for group in several for value in group if isinstance(value, Engine))
