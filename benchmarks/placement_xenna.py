"""A run's segments as stages of cosmos-xenna, which is no dependency: `pip install cosmos-xenna` for this benchmark."""

from typing import Any

from cosmos_xenna.pipelines import v1 as pipelines

from curate.run.ray_worker import RayWorker
from curate.run.spec import RunSpec
from curate.sources.shard import Shard
from curate.stages import Resources

__all__ = ["run_xenna"]


class SegmentStage(pipelines.Stage):
    """One segment; a task is a shard."""

    def __init__(self, spec: RunSpec, index: int, monitor: Any, needs: Resources) -> None:
        self.spec, self.index, self.monitor, self.needs = spec, index, monitor, needs
        self.worker: RayWorker | None = None

    @property
    def stage_batch_size(self) -> int:
        return 1

    @property
    def required_resources(self) -> pipelines.Resources:
        return pipelines.Resources(cpus=self.needs.cpus, gpus=float(self.needs.gpus))

    def setup(self, worker_metadata: pipelines.WorkerMetadata) -> None:
        self.worker = RayWorker(self.spec, [self.index], self.monitor)
        self.worker.prepare()

    def process_data(self, tasks: list[Shard]) -> list[Shard]:
        assert self.worker is not None
        for shard in tasks:
            outcome = self.worker.measure(shard)
            assert outcome.error is None, outcome.error
        return tasks


def run_xenna(spec: RunSpec, shards: list[Shard], monitor: Any, needs: list[Resources]) -> str:
    """Run all shards through a streaming pipeline that scales every 10 s."""
    stages = [
        pipelines.StageSpec(SegmentStage(spec, index, monitor, each), slots_per_actor=each.shards)
        for index, each in enumerate(needs)
    ]
    config = pipelines.PipelineConfig(
        execution_mode=pipelines.ExecutionMode.STREAMING,
        mode_specific=pipelines.StreamingSpecificSpec(autoscale_interval_s=10.0),
    )
    pipelines.run_pipeline(pipelines.PipelineSpec(input_data=shards, stages=stages, config=config))
    return "scaled by Xenna"
