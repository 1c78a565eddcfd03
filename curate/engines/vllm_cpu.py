"""What vLLM's CPU workers need to survive seeded sampling; imported in the worker, by `worker_extension_cls`."""

import functools
import sys
from typing import Any

__all__ = ["RewindSeeds"]


class RewindSeeds:
    """Lets a request with a seed be prefilled in parts.

    A step that holds only a part of a prompt samples a token and throws it away; vLLM 0.32 then winds the request's
    generator back by its offset, which a CPU generator has not: the error ends the engine. Nothing was sampled before,
    so the seed itself is the state to go back to (but for a request that was preempted midway, whose sampling starts
    anew and is no longer that of a run without preemption).
    """


def _install() -> None:
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner  # the CPU runner's own parent

    GPUModelRunner._bookkeeping_sync = _rewinding(GPUModelRunner._bookkeeping_sync)


def _rewinding(original: Any) -> Any:
    @functools.wraps(original)
    def bookkeeping(runner: Any, *arguments: Any, **options: Any) -> Any:
        batch = runner.input_batch
        partial = runner.discard_request_mask.np[: batch.num_reqs].nonzero()[0].tolist()
        hidden = {index: batch.generators.pop(index) for index in partial if index in batch.generators}
        for generator in hidden.values():
            generator.manual_seed(generator.initial_seed())
        try:
            return original(runner, *arguments, **options)
        finally:
            batch.generators.update(hidden)

    return bookkeeping


if "vllm.v1.worker" in sys.modules:  # in a worker; anywhere else this is just a module
    _install()
