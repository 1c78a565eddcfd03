"""Translate a request and its reply between Curate and OpenAI's chat API."""

import base64
import json
import math
import re
import string
from collections.abc import Collection
from typing import Any, Literal

from curate.engines.engine import Completion, Request
from curate.errors import SampleError
from curate.models.chat_models import Thinking, without_thoughts
from curate.pixels import encode_jpeg, encode_png

__all__ = ["chat_body", "chosen", "completion", "refused_part"]

JPEG_QUALITY = 95
# Parts that a server may not know.
OPTIONAL = ("structured_outputs", "response_format", "logprobs", "chat_template_kwargs")
UNKNOWN = re.compile(r"unknown|unrecogni[sz]ed|unsupported|not supported|unexpected|extra|not permitted|not allowed")


def chat_body(model: str, image_format: Literal["jpeg", "png"], request: Request) -> dict[str, Any]:
    """Return the JSON body of a request.

    `choices` become vLLM's `structured_outputs` with `logprobs`, which other servers may ignore or refuse;
    `json_schema` becomes OpenAI's `response_format`.
    """
    content: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}]
    if request.image is not None:
        data = encode_jpeg(request.image, JPEG_QUALITY) if image_format == "jpeg" else encode_png(request.image)
        uri = f"data:image/{image_format};base64,{base64.b64encode(data).decode()}"
        content.insert(0, {"type": "image_url", "image_url": {"url": uri}})
    system = [{"role": "system", "content": request.system}] if request.system else []
    body: dict[str, Any] = {
        "model": model,
        "messages": [*system, {"role": "user", "content": content}],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
    }
    if request.choices:
        body |= {"structured_outputs": {"choice": list(request.choices)}, "logprobs": True}
    elif request.json_schema is not None:
        schema = json.loads(request.json_schema)
        named = {"name": "answer", "schema": schema} | ({"strict": True} if is_strict(schema) else {})
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body


def is_strict(schema: Any) -> bool:
    """Tell whether OpenAI's strict mode takes a schema: its objects name all properties as required, and no others.

    >>> is_strict({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    False
    """
    if isinstance(schema, list):
        return all(is_strict(each) for each in schema)
    if not isinstance(schema, dict):
        return True
    closed = schema.get("type") != "object" or (
        schema.get("additionalProperties") is False
        and set(schema.get("properties", ())) == set(schema.get("required", ()))
    )
    return closed and all(is_strict(each) for each in schema.values())


def refused_part(message: str, body: Collection[str]) -> str | None:
    """Return the optional part of a body that a server, in the message of an HTTP 4xx, says it does not know.

    >>> refused_part("Unknown parameter: 'structured_outputs'.", ["messages", "structured_outputs"])
    'structured_outputs'
    """
    message = message.lower()
    return next((part for part in OPTIONAL if part in body and part in message and UNKNOWN.search(message)), None)


def completion(reply: Any, request: Request, seconds: float, thinking: Thinking = "no") -> Completion:
    """Return what a reply says; raises LookupError, TypeError, AttributeError or ValueError if it is none.

    Whatever a server makes of guided decoding, an answer that is not one of the choices, or no JSON, is an error. What
    a model thought before its answer is left out.
    """
    choice, usage = reply["choices"][0], reply.get("usage") or {}
    text, reason = without_thoughts(str(choice["message"].get("content") or ""), thinking), choice.get("finish_reason")
    error, probability = None, None
    if request.choices:
        match = chosen(text, request.choices)
        if match is None:
            text, error = "", SampleError("engine_off_choices", f"answered {text[:80]!r}, which is not a choice")
        else:
            text, probability = match, confidence(choice)
    elif request.json_schema is not None and reason != "length" and not is_json(text):
        text, error = "", SampleError("engine_off_schema", f"answered {text[:80]!r}, which is not JSON")
    prompt_tokens, completion_tokens = (int(usage.get(f"{kind}_tokens") or 0) for kind in ("prompt", "completion"))
    return Completion(text, reason, prompt_tokens, completion_tokens, seconds, error, probability)


def chosen(text: str, choices: Collection[str]) -> str | None:
    """Return the choice that a text is: exactly, or but for case and the marks and spaces around it.

    >>> chosen(" **Yes**.", ("yes", "no"))
    'yes'
    """
    if text in choices:
        return text
    matches = [choice for choice in choices if bare(choice) == bare(text)]
    return matches[0] if len(matches) == 1 else None


def bare(text: str) -> str:
    return text.casefold().strip(string.whitespace + string.punctuation)


def confidence(choice: dict[str, Any]) -> float | None:
    """Return the product of the probabilities of the tokens of an answer; null where the server gave none."""
    tokens = (choice.get("logprobs") or {}).get("content") or []
    return math.exp(sum(float(token["logprob"]) for token in tokens)) if tokens else None


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
