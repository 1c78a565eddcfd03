"""What a user asks for, and what of it travels to the workers of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from curate.dataset.cells import Cells
from curate.models.places import models_folder
from curate.pipeline import Pipeline, Segment, Step, bind, verdict_id
from curate.run.models import Licences
from curate.storage.store import Store

__all__ = ["RunRequest", "RunSpec"]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a user asks for; `retry` holds error codes to measure again (all when empty), None retries nothing.

    With `local` the run works in this process, without Ray: see `curate.run.local`. With `wait_for_nodes` a cluster
    that has too little is waited for; without, only one that an autoscaler serves. `licences` "permissive" refuses
    models that ask for more than naming their authors. `allow_empty` goes on where none of the first samples is kept.
    With `pilot`, about so many samples are measured, spread over the source: see `curate.run.pilot_shards`.
    """

    pipeline: Pipeline
    inputs: Sequence[str]
    dataset: str
    recipe: str = "pipeline"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    address: str | None = None
    retry: frozenset[str] | None = None
    local: bool = False
    wait_for_nodes: bool = False
    licences: Licences = "any"
    allow_empty: bool = False
    pilot: int | None = None


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run as its workers need it: every identity is resolved here, by the driver, and never asked for again.

    `limit` is the number of samples of the whole run, or how a pilot cuts its shards, and part of the verdict's
    identity. `retry` is that of the
    request. `token` is the fencing token of the driver's lock, `code` the digest of its code: a worker compares both.
    `gpus` is what a worker of each segment holds, and `beside` what of it models need that share it with an engine, see
    `curate.run.shares`; empty: what the stages say, and nothing.
    """

    pipeline: Pipeline = field(repr=False)  # Ray asks for the repr of what it sends, some six times
    steps: tuple[Step, ...] = field(repr=False)
    verdict_id: str
    dataset: str
    run_id: str
    limit: int | str | None = None
    retry: frozenset[str] | None = None
    token: str = ""
    code: str = ""
    gpus: tuple[float, ...] = ()
    beside: tuple[float, ...] = ()
    first: int = 0  # the stages before it are done in every shard: a later leg, see `leg`
    models: str = ""  # the folder of `--models`, which a worker on another machine must see too

    @classmethod
    def resolve(
        cls,
        pipeline: Pipeline,
        dataset: str,
        run_id: str = "-",
        limit: int | str | None = None,
        retry: frozenset[str] | None = None,
    ) -> "RunSpec":
        """Return the spec of a run that holds no lock yet; digests the weights of the pipeline.

        A local dataset gets its absolute path: workers may have another working directory.
        """
        steps, store = pipeline.resolve(), Store(dataset)
        root = str(store.local_path().absolute()) if store.is_local() else dataset
        models = str(models_folder() or "")
        return cls(pipeline, steps, verdict_id(steps, limit), root, run_id, limit, retry, models=models)

    def segments(self) -> list[Segment]:
        """Return the segments that are worked on: those of the last leg."""
        return [segment for segment in self.pipeline.segments() if segment.first >= self.first]

    def legs(self) -> list["RunSpec"]:
        """Return the spec of each leg, which ends before a corpus stage; the last one has all stages.

        A leg has its own verdict: what it keeps is the pool of the corpus stage behind it.
        """
        return [
            replace(
                self,
                pipeline=replace(self.pipeline, stages=list(self.pipeline.stages)[: leg.stop]),
                steps=self.steps[: leg.stop],
                verdict_id=verdict_id(self.steps[: leg.stop], self.limit),
                first=leg.first,
            )
            for leg in self.pipeline.legs()
        ]

    def bound(self, at: int, pool: str) -> "RunSpec":
        """Return the spec with the corpus stage `at` bound to a pool; see `curate.pipeline.bind`."""
        steps = tuple(bind(step, pool) if i == at else step for i, step in enumerate(self.steps))
        return replace(self, steps=steps, verdict_id=verdict_id(steps, self.limit))

    @property
    def cells(self) -> Cells:
        return Cells(Store(self.dataset))
