"""The engine of all steps: the first or second chat model, as large a share of the GPU as a step gives it."""

from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.step import Setting
from benchmarks.gpu.weights import PROSE, chat_model
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import Prompt
from curate.engines.vllm_engine import Vllm
from curate.experts.dense_caption import DenseCaption
from curate.models.weights import Weights

__all__ = ["PROMPT", "captioner", "engine", "first_model"]

PROMPT = Prompt("benchmark-v1", PROSE * 3)  # as long as a prompt with hints


def engine(setting: Setting, model: Path, share: float | None = None, gpus: float = 1.0) -> Vllm:
    """Return the engine: on a GPU as recipes have it, on a CPU small and quick to start."""
    vllm = Vllm(Weights(str(model)), dtype="bfloat16", max_model_len=8192, gpu_memory_utilization=share, gpus=gpus)
    if setting.gpu and setting.scale.name != "nano":
        return vllm
    small = replace(vllm, max_model_len=2048, max_num_seqs=16, enforce_eager=True, kv_cache_gib=0.5)
    return replace(small, gpus=gpus if setting.gpu else 0.0)


def captioner(vllm: Vllm, setting: Setting, side_px: int) -> DenseCaption:
    """Return the expert that captions images of a side with as many tokens as the scale says."""
    return DenseCaption(
        vllm, prompt=PROMPT, hints=Hints(blocks=()), longest_side_px=side_px, max_tokens=setting.scale.tokens
    )


def first_model(setting: Setting) -> Path:
    """Return the folder of the model that most steps use."""
    return chat_model(setting.scale.chat_models[0], setting.work)
