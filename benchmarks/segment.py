"""One worker of a one-segment pipeline in this process, as a Ray actor runs it: shards in, committed columns out."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from curate.pipeline import Pipeline
from curate.run.planner import Plan
from curate.run.runner import RunRequest, prepare
from curate.run.worker import Worker
from curate.stages import Expert

__all__ = ["Loaded", "load"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A worker with its models in memory, and the shards that it has to measure."""

    plan: Plan
    worker: Worker

    def measure(self) -> float:
        """Measure and commit all shards; return the seconds that it took."""
        start = time.perf_counter()
        with ThreadPoolExecutor(self.worker.segment.resources.shards) as threads:
            list(threads.map(self.worker.measure, self.plan.unfinished))
        return time.perf_counter() - start


def load(pipeline: Pipeline, shards: Sequence[Path], dataset: Path) -> Loaded:
    """Return a worker of the pipeline's only segment with its models loaded."""
    plan = prepare(RunRequest(pipeline, [str(path) for path in shards], str(dataset)), count_new=False)
    worker = Worker(plan.spec, 0, lambda event: None)
    if worker.segment.stop != len(plan.spec.steps):
        raise ValueError(f"the pipeline has {len(pipeline.segments())} segments; give one of one segment")
    for step in plan.spec.steps:
        if isinstance(step.stage, Expert):
            worker.runner.scorers.get(step, step.stage)
    return Loaded(plan, worker)
