"""Repair seeded sampling in vLLM 0.32's CPU workers; imported in the worker, by `worker_extension_cls`."""

import functools
import sys
from typing import Any

__all__ = ["RewindSeeds", "applies", "rewinding"]

WRITTEN_FOR = "0.32"  # the release whose private method is replaced
METHOD = "_bookkeeping_sync"


class RewindSeeds:
    """Lets a request with a seed be prefilled in parts.

    A step that holds only a part of a prompt samples a token and throws it away; vLLM 0.32 then winds the request's
    generator back by its offset, which a CPU generator does not have: the RuntimeError ends the engine (the same
    defect, in another backend: https://github.com/RBLN-SW/vllm-rbln/pull/1025). Nothing was sampled before, so the
    seed itself is the state to go back to (but for a request that was preempted midway, whose sampling starts anew and
    is no longer that of a run without preemption).

    Any other release is left alone, for its method may do something else: if it still has the defect, the engine ends
    with an EngineError, and no text is wrong.
    """


def applies(version: str, runner: type) -> bool:
    """Tell whether vLLM is of the release that this was written for, and its runner has the method."""
    return version.split(".")[:2] == WRITTEN_FOR.split(".") and callable(getattr(runner, METHOD, None))


def rewinding(original: Any) -> Any:
    """Return the runner's method, but generators of requests prefilled in parts go back to their seeds before it."""

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


def _install() -> None:
    import vllm
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner  # the CPU runner's own parent

    if applies(vllm.__version__, GPUModelRunner):
        setattr(GPUModelRunner, METHOD, rewinding(getattr(GPUModelRunner, METHOD)))


if "vllm.v1.worker" in sys.modules:  # in a worker; anywhere else this is just a module
    _install()
