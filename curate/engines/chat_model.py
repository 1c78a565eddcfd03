"""A model by its name: what a recipe takes, and builds an engine of."""

from dataclasses import dataclass, fields
from typing import Final, Literal

from curate.engines.cached import Cached
from curate.engines.engine import Engine
from curate.engines.openai_server import OpenAIServer
from curate.engines.vllm_engine import Vllm
from curate.errors import PlanError
from curate.models.weights import Weights
from curate.stages import Gpus

__all__ = ["ChatModel"]

SERVER_ONLY: Final = ("api_key_env", "image_format", "timeout_seconds", "retries", "resend")
LOCAL_ONLY: Final = (
    "dtype",
    "max_model_len",
    "max_pixels",
    "trust_remote_code",
    "deterministic",
    "tensor_parallel_size",
    "gpu_memory_utilization",
    "kv_cache_gib",
    "enforce_eager",
    "max_num_seqs",
)


@dataclass(frozen=True, slots=True)
class ChatModel:
    """Names the model that writes, judges or answers, and says where it runs: in vLLM here, or behind servers.

    Without `servers`, vLLM loads `model` (a hub name, or a local folder) in each worker. With them, `model` is asked
    for at these addresses (http://host:8000/v1) by OpenAI's chat API. `cache` is a local folder that keeps every
    answer, so that a run which is killed or repeated pays only for the rest. The fields mean what they mean in `Vllm`,
    `OpenAIServer` and `Cached`; `requests` None is their own default, `enforce_eager` None is yes without a GPU,
    `gpu_memory_utilization` None 0.9 of the GPU, or of the share of it that `gpus` says. `gpus` "auto" uses what the
    cluster has: a GPU for each worker, a share of the only one, or the CPUs.

    Raises PlanError for a field that has no meaning where the model runs, such as `dtype` with `servers`.
    """

    model: str = "Qwen/Qwen3-VL-8B-Instruct"
    servers: tuple[str, ...] = ()
    cache: str = ""
    gpus: Gpus = "auto"
    cpus: float = 1.0
    workers: int | None = None
    requests: int | None = None
    dtype: str = "auto"
    max_model_len: int = 8192
    max_pixels: int | None = None
    trust_remote_code: bool = False
    deterministic: bool = False
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float | None = None
    kv_cache_gib: float | None = None
    enforce_eager: bool | None = None
    max_num_seqs: int = 256
    api_key_env: str = "OPENAI_API_KEY"
    image_format: Literal["jpeg", "png"] = "jpeg"
    timeout_seconds: float = 300.0
    retries: int = 5
    resend: bool | None = None

    def __post_init__(self) -> None:
        if not self.model:
            raise PlanError("ChatModel: model is empty; give a hub name, a folder, or the name that the servers know")
        useless = LOCAL_ONLY if self.servers else SERVER_ONLY
        defaults = {field.name: field.default for field in fields(self)}
        if wrong := [name for name in useless if getattr(self, name) != defaults[name]]:
            where = "servers are given, and they decide that" if self.servers else "no servers are given"
            raise PlanError(f"ChatModel: {wrong[0]} is {getattr(self, wrong[0])!r}, but {where}; leave it out")

    def build(self) -> Engine:
        """Return the engine; equal models give equal engines, which share one process."""
        engine = self._server() if self.servers else self._vllm()
        return Cached(engine, self.cache) if self.cache else engine

    def _vllm(self) -> Engine:
        return Vllm(
            Weights(self.model),
            dtype=self.dtype,
            max_model_len=self.max_model_len,
            trust_remote_code=self.trust_remote_code,
            max_pixels=self.max_pixels,
            deterministic=self.deterministic,
            max_num_seqs=self.max_num_seqs,
            requests=self.requests,
            enforce_eager=self.enforce_eager,
            tensor_parallel_size=self.tensor_parallel_size,
            gpu_memory_utilization=self.gpu_memory_utilization,
            kv_cache_gib=self.kv_cache_gib,
            gpus=self.gpus,
            cpus=self.cpus,
            workers=self.workers,
        )

    def _server(self) -> Engine:
        requests = {} if self.requests is None else {"requests": self.requests}
        return OpenAIServer(
            self.servers,
            self.model,
            api_key_env=self.api_key_env,
            image_format=self.image_format,
            timeout_seconds=self.timeout_seconds,
            retries=self.retries,
            cpus=self.cpus,
            workers=self.workers,
            resend=self.resend,
            **requests,
        )
