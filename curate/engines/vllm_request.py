"""Translate a request and its answer between Curate and vLLM."""

import math
from typing import Any

from curate.engines.engine import Completion, Request
from curate.errors import SampleError
from curate.models.chat_models import ChatFacts, Thinking, without_thoughts

__all__ = ["completion", "messages", "one_line", "refusals", "render", "sampling"]


def messages(request: Request) -> list[dict[str, Any]]:
    """Return the chat turn: the image first, as `LLM.chat` takes it."""
    from PIL import Image

    content: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}]
    if request.image is not None:
        content.insert(0, {"type": "image_pil", "image_pil": Image.fromarray(request.image)})
    system = [{"role": "system", "content": request.system}] if request.system else []
    return [*system, {"role": "user", "content": content}]


def render(renderer: Any, request: Request, facts: ChatFacts) -> Any:
    """Apply a vLLM renderer's chat template, tokenizer and image processor: the same call that `LLM.chat` makes.

    What `facts.template` says is told to the chat template. One call at a time, as vLLM's processor asks. Raises
    SampleError if the model cannot take the request.
    """
    from vllm.renderers import ChatParams

    template = {"add_generation_prompt": True, "continue_final_message": False, "tools": None, "tokenize": False}
    params = ChatParams(chat_template_kwargs=template | facts.template)
    tokens = renderer.default_chat_tok_params.with_kwargs(add_special_tokens=False)
    try:
        _, (prompt,) = renderer.render_chat([messages(request)], params, tokens)
    except refusals("VLLMClientError") as error:
        raise SampleError("engine_rejected", one_line(error)) from error
    return prompt


def sampling(request: Request) -> Any:
    """Return vLLM's `SamplingParams`; only the last output is sent."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    guided = None
    if request.choices:
        guided = StructuredOutputsParams(choice=list(request.choices))
    elif request.json_schema:
        guided = StructuredOutputsParams(json=request.json_schema)
    return SamplingParams(
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_tokens,
        seed=request.seed if request.temperature > 0 else None,
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=guided,
        logprobs=0 if request.choices else None,  # of the tokens it chose
    )


def completion(output: Any, request: Request, seconds: float, thinking: Thinking = "no") -> Completion:
    """Return what vLLM's last `RequestOutput` says, thoughts left out; confidence, with `choices`, is of all tokens."""
    answer, logprob = output.outputs[0], output.outputs[0].cumulative_logprob
    return Completion(
        without_thoughts(answer.text, thinking),
        answer.finish_reason,
        len(output.prompt_token_ids or ()),
        len(answer.token_ids),
        seconds,
        confidence=math.exp(logprob) if request.choices and logprob is not None else None,
    )


def refusals(name: str, *others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return ValueError, what vLLM itself calls `name`, and others, for an `except`.

    vLLM 0.24, the last release for torch 2.11, has no such class: what it raises then is a ValueError.
    """
    from vllm import exceptions

    own: type[Exception] | None = getattr(exceptions, name, None)
    return (ValueError, *others) if own is None else (ValueError, own, *others)


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line, at most 500 characters; its name if it has none."""
    return " ".join(str(error).split())[:500] or type(error).__name__
