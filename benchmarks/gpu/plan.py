"""The steps, in the order in which they run: what matters most comes first, should the machine be taken away."""

from typing import Final

from benchmarks.gpu.step import Step

__all__ = ["STEPS"]

STEPS: Final = (
    Step("captions", "Caption stage, Qwen2.5-VL", "benchmarks.gpu.captions:curate_first"),
    Step("captions_vllm", "Bare `LLM.chat`, Qwen2.5-VL", "benchmarks.gpu.captions:vllm_first"),
    Step("perception", "Perception worker against its bound", "benchmarks.gpu.perception:measure"),
    Step("one_gpu", "Writer and perception on one GPU, through Ray", "benchmarks.gpu.through_ray:one_gpu"),
    Step("replicas", "Two engines on one GPU by fractions, through Ray", "benchmarks.gpu.through_ray:replicas"),
    Step("deterministic", "Deterministic mode", "benchmarks.gpu.captions:deterministic"),
    Step("kill", "GPU memory after `kill -9` of a worker", "benchmarks.gpu.kill:measure"),
    Step("ocr", "OCR by ONNX Runtime, GPU against CPU", "benchmarks.gpu.ocr:measure"),
    Step("transformers", "`transformers`, Qwen2.5-VL", "benchmarks.gpu.captions:transformers_first"),
    Step("captions_qwen3", "Caption stage, Qwen3-VL", "benchmarks.gpu.captions:curate_second"),
    Step("captions_qwen3_vllm", "Bare `LLM.chat`, Qwen3-VL", "benchmarks.gpu.captions:vllm_second"),
    Step("transformers_qwen3", "`transformers`, Qwen3-VL", "benchmarks.gpu.captions:transformers_second"),
)
