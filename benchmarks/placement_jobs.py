"""Jobs of the placement benchmark: a machine room, a pipeline of stages that sleep, and the bound of its program.

Costs are those of real stages: OCR 5.8 images/s on a core and a writer 36 images/s on a GPU at 448 px (issue 9,
docs/benchmarks.md), CLIP L/14 2,600 images/s on an H100, a detector 11.3 ms an image (YOLO11x, its documentation, T4
with TensorRT), facts with a scaled decode 1.3 ms on a core.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.placement_stages import Keep, SleepingEngine, Sleeps, Writes
from curate.pipeline import Pipeline
from curate.run.cluster import Cluster, Node
from curate.run.placement import Demand, solve
from curate.run.sizing import make_pools
from curate.stages import Resources, Stage

__all__ = ["JOBS", "MANY", "Job"]

OCR, CAPTION, CLIP, DETECTOR, FACTS = 1 / 5.8, 1 / 36, 1 / 2600, 0.0113, 0.0013
CPU = Resources(batch_rows=16)
SHARE = Resources(gpus=0.25, batch_rows=16)
WRITER = Resources(gpus=1.0, batch_rows=16, in_flight=3, shards=2)
ROOM = Cluster((Node(64, 8),))
SMALL = Cluster((Node(16, 1),))
MANY = 10**6  # samples, and workers
BARE = Cluster((Node(2),))
UNLIKE = Cluster((Node(48, 2), Node(16, 6)))


@dataclass(frozen=True, slots=True)
class Job:
    """`stages` on `cluster`; the second half of the samples is "late", of which a filter may keep another share."""

    name: str
    cluster: Cluster
    stages: Sequence[Stage]
    shard_rows: int = 128

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(self.stages)

    def bound(self) -> float:
        """Return the samples/s of the linear program: no sum of work may exceed what the nodes have.

        Of a job whose yields change it is that of the whole: the sums of both halves.
        """
        halves = [self._work(False), self._work(True)]
        cpus, gpus = (sum(half[k] for half in halves) / 2 for k in (0, 1))
        limits = [(self.cluster.cpus, cpus), (self.cluster.gpus, gpus)]
        return min(have / need for have, need in limits if need)

    def reachable(self) -> float:
        """Return the samples/s of the best whole workers, whose true costs are known; half of them for each half."""
        return 2 / sum(1 / self._with_whole_workers(late) for late in (False, True))

    def _with_whole_workers(self, late: bool) -> float:
        pools, each = make_pools(self.pipeline.segments(), self.cluster), self.seconds(late)
        work = [sum(each[i] for i in pool.indices) for pool in pools]
        demands = [Demand(MANY * seconds, pool.needs, MANY) for pool, seconds in zip(pools, work, strict=True)]
        sizes = solve(demands, self.cluster).sizes
        return min(n / seconds for n, seconds in zip(sizes, work, strict=True) if seconds)

    def seconds(self, late: bool) -> list[float]:
        """Return the seconds of a worker of each segment that one sample of the source costs."""
        share, found = 1.0, []
        for segment in self.pipeline.segments():
            work = 0.0
            for stage in segment.stages:
                if isinstance(stage, Keep):
                    share *= stage.late if late else stage.share
                elif isinstance(stage, Sleeps | Writes):
                    work += share * stage.seconds
            found.append(work)
        return found

    def _work(self, late: bool) -> tuple[float, float]:
        """Return the CPU seconds and GPU seconds that one sample of the source costs."""
        cpus = gpus = 0.0
        share, on_gpus = 1.0, self.cluster.gpus > 0
        for stage in self.stages:
            if isinstance(stage, Keep):
                share *= stage.late if late else stage.share
            elif isinstance(stage, Sleeps | Writes):
                cpus += share * stage.seconds * stage.resources.cpus
                asked = stage.resources.gpus
                gpus += share * stage.seconds * (0.0 if asked == "auto" or not on_gpus else asked)
        return cpus, gpus


def _dense(
    ocr: float = OCR, facts: float = FACTS, caption: float = CAPTION, late: float = 0.8, writer: Resources = WRITER
) -> list[Stage]:
    """Return the stages of DenseFusion: facts, CLIP and its filter, OCR, detector, writer."""
    return [
        Sleeps("facts", facts, CPU),
        Sleeps("clip", CLIP, SHARE, load_seconds=5),
        Keep("clip", 0.8, late),
        Sleeps("ocr", ocr, CPU, load_seconds=5),
        Sleeps("detector", DETECTOR, SHARE, load_seconds=5),
        Writes("caption", SleepingEngine("writer", writer), caption, load_seconds=30),
    ]


def _bare() -> list[Stage]:
    """Return stages for two cores: a light pass and a model, both on CPUs."""
    return [
        Sleeps("facts", FACTS, CPU),
        Sleeps("clip", 0.035, Resources(gpus="auto", batch_rows=16), load_seconds=3),
        Keep("clip", 0.8, 0.8),
    ]


def _robber() -> list[Stage]:
    """Return the two stages of ray-project/ray#65540, 0.17 s and 0.21 s; the second is slow to start.

    A thousandth of a GPU makes it a segment of its own.
    """
    slow = Resources(gpus=0.001, batch_rows=1)
    return [Sleeps("robber", 0.17, Resources(batch_rows=1)), Sleeps("bottleneck", 0.21, slow, load_seconds=30)]


JOBS = [
    Job("caption-bound, 64 CPUs + 8 GPUs", ROOM, _dense()),
    Job("OCR-bound, 64 CPUs + 8 GPUs", ROOM, _dense(ocr=2 * OCR)),
    Job("decode-bound, 64 CPUs + 8 GPUs", ROOM, _dense(ocr=0.01, facts=0.15, caption=CAPTION / 2)),
    Job("yield halves, 64 CPUs + 8 GPUs", ROOM, _dense(ocr=0.1, late=0.4)),
    Job("OCR-bound, 16 CPUs + 1 GPU", SMALL, _dense(ocr=2 * OCR, writer=replace(WRITER, gpus=0.5))),
    Job("two models, 2 CPUs", BARE, _bare()),
    Job("caption-bound, 48 + 2 and 16 + 6", UNLIKE, _dense()),
    Job("ray#65540 halved, 63 CPUs", Cluster((Node(63, 1),)), _robber(), shard_rows=8),
]
