"""A request in vLLM's words."""

from typing import Any

from curate.engines.engine import Request

__all__ = ["messages", "sampling"]


def messages(request: Request) -> list[dict[str, Any]]:
    """Return the chat turn: the image first, as `LLM.chat` takes it."""
    from PIL import Image

    content: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}]
    if request.image is not None:
        content.insert(0, {"type": "image_pil", "image_pil": Image.fromarray(request.image)})
    system = [{"role": "system", "content": request.system}] if request.system else []
    return [*system, {"role": "user", "content": content}]


def sampling(request: Request) -> Any:
    """Return vLLM's `SamplingParams`; only the last output is sent."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    form = None
    if request.choices:
        form = StructuredOutputsParams(choice=list(request.choices))
    elif request.json_schema:
        form = StructuredOutputsParams(json=request.json_schema)
    return SamplingParams(
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_tokens,
        seed=request.seed if request.temperature > 0 else None,
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=form,
        logprobs=0 if request.choices else None,  # of the tokens it chose
    )
