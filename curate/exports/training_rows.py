"""The user's own training rows, of LLaVA's or ms-swift's form: read them, name their samples, describe their images."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from curate.errors import PlanError

__all__ = ["as_lines", "image_name", "read_rows", "row_keys", "with_description"]

TAG: Final = "<image>"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read training rows, a JSON list or JSONL; raises PlanError that names the line."""
    if not path.is_file():
        raise PlanError(f"no training rows at {path}")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        rows = json.loads(text) if text.lstrip().startswith("[") else list(_parsed(path, text))
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{path} is neither a JSON list nor JSONL: {error}") from error
    bad = next((i for i, row in enumerate(rows) if not isinstance(row, dict)), None)
    if bad is not None:
        raise PlanError(f"{path}: row {bad} is not an object")
    return rows


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    """Return rows as JSONL."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def row_keys(row: dict[str, Any]) -> list[str]:
    """Return what may name the sample of a row: its id, and the name of its image, with and without an extension.

    >>> row_keys({"id": 7, "image": "coco/000000007.jpg"})
    ['7', 'coco/000000007.jpg', '000000007']
    """
    image = image_name(row)
    keys = [row.get("id"), image, PurePosixPath(image).stem if image else None]
    return [str(key) for key in keys if isinstance(key, str | int) and not isinstance(key, bool)]


def image_name(row: dict[str, Any]) -> str | None:
    """Return the name of a row's image, of the first one if it has several."""
    images = row.get("images")
    image = row.get("image", images[0] if isinstance(images, list) and images else None)
    if isinstance(image, dict):
        image = image.get("path")
    return image if isinstance(image, str) else None


def with_description(row: dict[str, Any], description: str) -> dict[str, Any] | None:
    r"""Return a row with the description before the question of its first human turn; None if it has no such turn.

    >>> row = {"conversations": [{"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": "2"}]}
    >>> with_description(row, "Two dogs.")["conversations"][0]["value"]
    '<image>\nImage description: Two dogs.\n\nHow many?'
    """
    for turns, speaker, human, text in (
        ("conversations", "from", "human", "value"),
        ("messages", "role", "user", "content"),
    ):
        messages = row.get(turns)
        if not isinstance(messages, list):
            continue
        for i, message in enumerate(messages):
            if isinstance(message, dict) and message.get(speaker) == human and isinstance(message.get(text), str):
                described = {**message, text: _described(message[text], description)}
                return {**row, turns: [*messages[:i], described, *messages[i + 1 :]]}
    return None


def _described(question: str, description: str) -> str:
    """Put the description after the leading tag, or first; a trailing tag (LLaVA has both) stays where it is."""
    tag, rest = "", question
    if question.startswith(TAG):
        rest = question[len(TAG) :]
        gap = rest[: len(rest) - len(rest.lstrip())]
        tag, rest = TAG + (gap or "\n"), rest[len(gap) :]
    # The description is a model's text: a tag in it would ask for a second image.
    return f"{tag}Image description: {description.replace(TAG, '').strip()}\n\n{rest}"


def _parsed(path: Path, text: str) -> Iterator[Any]:
    for i, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise PlanError(f"{path} line {i} is not JSON: {error}") from error
