"""Alt text and metadata from untrusted bytes: bounded, valid Unicode, never an error."""

import json
from typing import Any, Final

__all__ = ["METADATA_BYTES", "TEXT_BYTES", "TEXT_CHARACTERS", "caption_in", "clip_text", "read_metadata", "read_text"]

TEXT_CHARACTERS: Final = 65_536
TEXT_BYTES: Final = 4 * TEXT_CHARACTERS  # holds that many characters of any UTF-8 text
METADATA_BYTES: Final = 1 << 20


def clip_text(text: str) -> tuple[str, bool]:
    """Return at most 65,536 characters of valid Unicode, and whether anything was cut.

    Lone surrogates, which JSON escapes can smuggle in, become U+FFFD.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text[:TEXT_CHARACTERS], len(text) > TEXT_CHARACTERS


def read_text(start: bytes, size_bytes: int) -> tuple[str, bool]:
    """Decode the first `TEXT_BYTES` bytes of a text that has `size_bytes`; returns the text and whether it was cut.

    Bad UTF-8 becomes U+FFFD; a byte order mark is no text.
    """
    text, cut = clip_text(start[:TEXT_BYTES].decode("utf-8-sig", "replace"))
    return text, cut or size_bytes > TEXT_BYTES


def read_metadata(raw: bytes) -> tuple[str | None, Any]:
    """Return a JSON member as text and as a value, (None, None) if it is over 1 MiB or does not parse.

    The text is kept as stored, but NaN and infinities, which JSON does not have, become null.
    """
    if len(raw) > METADATA_BYTES:
        return None, None
    text = raw.decode("utf-8-sig", "replace")
    constants: list[str] = []
    try:
        value = json.loads(text, parse_constant=constants.append)  # append returns None
        return (json.dumps(value) if constants else text), value
    except (ValueError, RecursionError):
        return None, None


def caption_in(metadata: Any) -> str | None:
    """Return the text of a metadata object: its "caption", else its "text", if that is a string."""
    if isinstance(metadata, dict):
        for name in ("caption", "text"):
            if isinstance(metadata.get(name), str):
                return str(metadata[name])
    return None
