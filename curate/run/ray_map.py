"""The functions of a corpus stage as Ray tasks: a bounded number at once, results in the order of the inputs."""

import functools
import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import ray

from curate.corpus.pool import Pool
from curate.dataset.manifest import code_digest
from curate.errors import ContractError, CurateError, PlanError
from curate.models.places import environment
from curate.run.cluster import Cluster
from curate.run.fit import amounts
from curate.run.pools import last_line
from curate.run.ray_worker import check_code
from curate.run.spec import RunSpec
from curate.stages import CorpusStage, Resources, stage_name

__all__ = ["RayMapper", "check_room"]

X = TypeVar("X")
Y = TypeVar("Y")

DEATHS = 5  # of the process or machine of one task
AHEAD = 2  # tasks that wait for each one that runs


@dataclass(frozen=True, slots=True)
class RayMapper:
    """Runs functions on a cluster, each with the resources of its stage and as many at once as there is room for."""

    spec: RunSpec
    cluster: Cluster

    def __call__(self, pool: Pool, function: Callable[[Pool, X], Y], inputs: Iterable[X]) -> Iterator[Y]:
        options, at_once = self._options(pool.resources)
        task: Any = ray.remote(**options)(_call)
        sent = ray.put((function, pool.in_task(), self.spec.code, self.spec.models))
        waiting: deque[Any] = deque()
        try:
            for each in inputs:
                waiting.append(task.remote(sent, each))
                if len(waiting) >= at_once:
                    yield _result(waiting.popleft(), function)
            while waiting:
                yield _result(waiting.popleft(), function)
        finally:
            for reference in waiting:
                ray.cancel(reference)

    def _options(self, needs: Resources) -> tuple[dict[str, Any], int]:
        """Return what a task asks of Ray, and how many are handed out at a time."""
        gpus = gpus_on(needs, self.cluster)
        fits = [_places(needs, gpus, node.cpus, node.gpus, node.memory_bytes) for node in self.cluster.nodes]
        most = max(1, min(sum(fits), needs.workers or sum(fits)))
        most_memory = max((node.memory_bytes for node in self.cluster.nodes), default=0)
        memory = min(int(needs.memory_gib * (1 << 30)), most_memory)
        options: dict[str, Any] = {"num_cpus": needs.cpus, "num_gpus": gpus, "max_retries": DEATHS}
        options |= {"resources": dict(needs.custom)} if needs.custom else {}
        return options | ({"memory": memory} if memory else {}), most * AHEAD


def gpus_on(needs: Resources, cluster: Cluster) -> float:
    """Return the GPUs of a task: "auto" is one where the cluster has any."""
    return float(cluster.gpus > 0) if needs.gpus == "auto" else float(needs.gpus)


def check_room(stage: CorpusStage, cluster: Cluster) -> None:
    """Raise PlanError if no machine has room for one task of a corpus stage."""
    needs = stage.resources
    gpus = gpus_on(needs, cluster)
    for node in cluster.nodes:
        custom = all(node.amount(name) >= amount for name, amount in needs.custom)
        if needs.cpus <= node.cpus and gpus <= node.gpus and custom:
            return
    raise PlanError(
        f"{stage_name(stage)}: a task asks for {amounts(needs)} on one machine, and none of the cluster has it: pass "
        f"-p {stage_name(stage)}.resources.cpus=1 or .resources.gpus=0, or give --address of a larger cluster"
    )


def _places(needs: Resources, gpus: float, cpus: float, has_gpus: float, memory: int) -> int:
    """Return how many tasks a node has room for."""
    room = [cpus / needs.cpus] if needs.cpus else []
    room += [has_gpus / gpus] if gpus else []
    room += [max(1.0, memory / (needs.memory_gib * (1 << 30)))] if memory else []
    return int(min(room, default=1.0))


def _call(sent: tuple[Callable[[Pool, X], Y], Pool, str, str], each: X) -> tuple[Y | None, bytes | None]:
    """Run a function in a task; a CurateError comes back as bytes, as Ray keeps only the text of an exception."""
    function, pool, code, models = sent
    try:
        check_code(own_code(), code)
        os.environ.update(environment(models))
        return function(pool, each), None
    except CurateError as error:
        return None, pickle.dumps(error)


@functools.cache
def own_code() -> str:
    return code_digest()


def _result(reference: Any, function: Callable[..., Any]) -> Any:
    name = getattr(getattr(function, "func", function), "__name__", repr(function))
    try:
        value, error = ray.get(reference)
    except ray.exceptions.RayTaskError as failure:
        raise ContractError(f"{name} of a corpus stage failed: {last_line(failure)}") from failure
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as failure:
        raise CurateError(
            f"{name} of a corpus stage ended its process {DEATHS + 1} times ({last_line(failure)}): out of memory? "
            "give its tasks less work by a smaller -p STAGE.resources.memory_gib"
        ) from failure
    if error is not None:
        raise pickle.loads(error)
    return value
