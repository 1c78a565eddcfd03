"""The work of a run, leg by leg: every shard is through one leg, then the corpus stage measures, then the next leg."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rich.console import Console
from rich.text import Text

from curate.corpus.pool import inline
from curate.run.barrier import PoolRun, lacking, measure_pool
from curate.run.commit import commit_finished
from curate.run.fit import fit
from curate.run.local import run_local
from curate.run.models import fetch_missing
from curate.run.planner import Plan, plan_leg, sort_shards
from curate.run.pool_rows import look_at_pool
from curate.run.progress import StageTotals
from curate.run.spec import RunRequest, RunSpec
from curate.sources.shard import Shard
from curate.stages import CorpusStage

__all__ = ["LegWork", "teller"]

DECIDED_HERE = 2_000  # open shards that the driver decides on by itself, also if it could ask a cluster

Note = Callable[[RunSpec, Sequence[str]], None]
"""Is told each time a corpus stage is bound: the spec as it is now, and the verdicts that hold the pools so far."""


def teller(console: Console) -> Callable[[str], None]:
    """Return a function that prints a line as it is; it may hold names of anybody's files."""
    return lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)


@dataclass(slots=True)
class LegWork:
    """Measures and commits what is missing; `earlier` are the placements of earlier runs, the newest first.

    Afterwards `worked` names the shards of which something was missing, `measured` holds rows, errors and seconds by
    stage, `placement` how the workers were placed on Ray.
    """

    request: RunRequest
    console: Console
    earlier: Sequence[dict[str, Any]] = ()
    worked: set[str] = field(default_factory=set)
    measured: dict[str, Any] = field(default_factory=dict)
    placement: dict[str, Any] | None = None
    cluster: Any = None
    stack: ExitStack = field(default_factory=ExitStack)

    def run(self, spec: RunSpec, shards: Sequence[Shard], note: Note) -> None:
        """Do all legs, and the corpus stages between them; Ray is started when it is first needed, and only once."""
        pools: list[str] = []
        with self.stack:
            for i, leg in enumerate(spec.pipeline.legs()):
                plan = replace(self._sorted(spec.legs()[i], shards), steps=spec.steps)
                self.worked |= {shard.name for shard in plan.unfinished}
                self._leg(spec, plan)
                if leg.stop < len(spec.steps):
                    pools.append(plan.spec.verdict_id)
                    spec = self._barrier(spec, plan.spec, shards)
                    note(spec, pools)

    def _sorted(self, leg: RunSpec, shards: Sequence[Shard]) -> Plan:
        """Return which shards are done, open and new. To know which are to be tried again, they have to be opened."""
        return sort_shards(leg, shards) if leg.retry is None else plan_leg(leg, shards, count_new=False)

    def _leg(self, spec: RunSpec, plan: Plan) -> None:
        """Commit the shards of which only decisions are missing, then measure and commit the others."""
        left = {shard.name for shard in self._decide(spec, plan)}
        todo = [each for each in plan.shards if each.state == "new" or each.shard.name in left]
        if not todo:
            return
        plan = replace(plan, shards=todo)
        fetch_missing(self.request.pipeline, self.request.recipe, teller(self.console))
        if self.request.local:
            self.measured |= run_local(plan, self.console)
            return
        from curate.run.ray_plan import run_on_ray

        self._join(spec)
        done = run_on_ray(plan, self.request, self.console, self.earlier)
        self.measured |= done.measured
        before = [] if self.placement is None else self.placement["segments"]
        self.placement = done.placement | {"segments": [*before, *done.placement["segments"]]}

    def _decide(self, spec: RunSpec, plan: Plan) -> list[Shard]:
        """Commit what is measured already; return the open shards of which more is missing."""
        shards = [each.shard for each in plan.shards if each.state == "open"]
        if self.request.address is None or self.request.local or len(shards) < DECIDED_HERE:
            return commit_finished(plan.spec, shards)
        from curate.run.ray_decide import commit_on_ray
        from curate.run.ray_plan import ray_errors

        self._join(spec)
        with ray_errors():
            return commit_on_ray(plan.spec, shards)

    def _barrier(self, spec: RunSpec, leg: RunSpec, shards: Sequence[Shard]) -> RunSpec:
        """Bind the corpus stage behind a leg to its pool and measure that, unless its cells are there."""
        at = len(leg.steps)
        stage = spec.steps[at].stage
        assert isinstance(stage, CorpusStage)
        facts = look_at_pool(leg, stage, shards)
        spec = spec.bound(at, facts.digest)
        step = spec.steps[at]
        if not lacking(spec, step, facts):
            return spec
        self.console.print(
            Text(f"{step.label}: the whole pool, {sum(facts.sizes):,} samples of {len(facts.shards):,} shards"),
            soft_wrap=True,
        )
        with self._ray_errors():
            event = measure_pool(leg, step, facts, shards, PoolRun(self._mapper(spec, leg), self.console))
        self.measured[step.label] = asdict(StageTotals(event.rows, event.errors, event.seconds))
        return spec

    def _mapper(self, spec: RunSpec, leg: RunSpec) -> Any:
        if self.request.local:
            return inline
        from curate.run.ray_map import RayMapper

        self._join(spec)
        return RayMapper(leg, self.cluster)

    def _ray_errors(self) -> Any:
        if self.request.local:
            return nullcontext()
        from curate.run.ray_plan import ray_errors

        return ray_errors()

    def _join(self, spec: RunSpec) -> None:
        """Join or start the cluster, and see before the first worker starts that it has room for every leg."""
        if self.cluster is not None:
            return
        from curate.run.cluster import read_cluster
        from curate.run.ray_map import check_room
        from curate.run.ray_plan import carry_recipe_files, cluster

        self.stack.enter_context(cluster(self.request.address))
        carry_recipe_files()
        self.cluster = read_cluster()
        for leg in spec.legs()[1:]:
            fit(leg, Console(quiet=True), self.request.wait_for_nodes)
        for stage in spec.pipeline.stages:
            if isinstance(stage, CorpusStage):
                check_room(stage, self.cluster)
