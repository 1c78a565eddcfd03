"""Mask secrets in what is written or displayed: passwords and signatures of addresses, values of secret parameters."""

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MASK", "mask_parameters", "mask_text", "mask_url"]

MASK: Final = "***"

ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>`]*[^\s'\"<>`.,;:)\]]")
USER: Final = re.compile(r"(://)[^/?#]*@")
NAME: Final = re.compile(r"(?i)(^|[_.-])(key|token|secret|pass(word|wd|phrase)?|credentials?)($|[_.-])|apikey")
SIGNED: Final = re.compile(  # query parameters of S3, GCS, Azure, CloudFront and Hugging Face
    r"(?i)^sig$|signature|token|secret|passw|credential|auth|policy|key(?!word)|^googleaccessid$|^code$"
)

VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")  # OPENAI_API_KEY: where a key is, and not the key


def mask_url(url: str) -> str:
    """Return an address without user, password and signature: it can be read again with credentials from elsewhere.

    >>> mask_url("https://me:hush@host/a.tar?part=1&X-Amz-Signature=abc")
    'https://host/a.tar?part=1'
    """
    if "://" not in url:
        return url
    address, _, query = USER.sub(r"\1", url).partition("?")
    kept = [part for part in re.split(r"[&;]", query) if part and not SIGNED.search(part.partition("=")[0])]
    return f"{address}?{'&'.join(kept)}" if kept else address


def mask_text(text: str) -> str:
    """Return a text in which every address is masked.

    >>> mask_text("cannot read https://me:hush@host/a.tar: 403")
    'cannot read https://host/a.tar: 403'
    """
    return ADDRESS.sub(lambda match: mask_url(match[0]), text)


def mask_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters fit to be kept: texts whose name says key, token, secret or password become `***`.

    A name may be a path, and a text JSON: then the names in it count too.

    >>> mask_parameters({"engine.api_key": "abc", "engine": '{"model": "m", "api_key": "abc"}', "text": "{a}"})
    {'engine.api_key': '***', 'engine': '{"model": "m", "api_key": "***"}', 'text': '{a}'}
    """
    return {name: _mask(name, value) for name, value in parameters.items()}


def _mask(name: str, value: Any) -> Any:
    if isinstance(value, str):
        names_variable = name.endswith("_env") and VARIABLE.fullmatch(value)
        return MASK if value and NAME.search(name) and not names_variable else _mask_json(name, value)
    if isinstance(value, list | tuple):
        return [_mask(name, one) for one in value]
    if isinstance(value, Mapping):
        return {key: _mask(f"{name}.{key}", one) for key, one in value.items()}
    return value


def _mask_json(name: str, text: str) -> str:
    """Return a text with addresses masked, and where it is a JSON object or list, the values of names in it."""
    if text.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            data = json.loads(text)
            masked = _mask(name, data)
            return json.dumps(masked) if masked != data else text
    return mask_text(text)
