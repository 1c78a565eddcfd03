"""Mask secrets in what is written or displayed: passwords and signatures of addresses, values of secret parameters."""

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
    """Return parameters fit to be kept: texts whose name says key, token, secret or password become `***`."""
    return {name: _mask(name, value) for name, value in parameters.items()}


def _mask(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return MASK if value and NAME.search(name) else mask_text(value)
    if isinstance(value, list | tuple):
        return [_mask(name, one) for one in value]
    return value
