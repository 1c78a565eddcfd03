"""Prompts, each with an id that is stored beside what it produced.

A changed wording is a new id: data written under the old one stays what it says. The constant part comes first (the
system text, then the text, then the lead of the hints), so an engine with a prefix cache computes it once. Our own
prompts lie in `prompt_files/`; docs/prompts.md says how to write a file of one's own.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curate.errors import PlanError
from schemas.prefix import repr_without_defaults

__all__ = [
    "BUNDLED",
    "FUSION_V1",
    "FUSION_V2",
    "MISLEADING_V1",
    "NEUTRAL_V1",
    "STEP_BY_STEP_V1",
    "Prompt",
    "read_prompt",
    "read_prompts",
]

FILES: Final = Path(__file__).parent.parent / "prompt_files"
SHARED: Final = {"system", "lead", "reminder"}  # keys that stand for all prompts of a file, unless a prompt has its own
ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat turn about one image: `system` rules, then `text`; with hints, `lead` before and `reminder` after them."""

    id: str
    text: str
    system: str | None = None
    lead: str = ""
    reminder: str = ""

    def __repr__(self) -> str:
        return repr_without_defaults(self, "reminder")

    def fill(self, hints: str = "") -> str:
        r"""Return the user text with the hint block after it; without hints there is no lead and no reminder either.

        >>> Prompt("p1", "Describe the image.", lead="Hints:").fill("Tags: dog")
        'Describe the image.\nHints:\nTags: dog'
        >>> Prompt("p1", "Describe the image.", lead="Hints:").fill()
        'Describe the image.'
        """
        parts = (self.text, self.lead, hints, self.reminder) if hints else (self.text,)
        return "\n".join(part for part in parts if part)


def read_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """Return the prompts of a TOML file, in its order.

    Raises PlanError, one sentence, if the file is not there, not TOML in UTF-8, or holds anything but `source`,
    `system`, `lead`, `reminder` and tables `[[prompt]]` with those, `id` and `text`, all texts; or if it gives an id of
    ours to another wording.
    """
    prompts = _read(Path(path))
    for prompt in prompts:
        if BUNDLED.get(prompt.id, prompt) != prompt:
            raise PlanError(f"prompt file {path}: {prompt.id!r} is the id of another wording; give yours a new id")
    return prompts


def read_prompt(path: str | Path) -> Prompt:
    """Return the one prompt of a TOML file; raises PlanError as `read_prompts` does, and if there are several."""
    prompts = read_prompts(path)
    if len(prompts) > 1:
        raise PlanError(f"prompt file {path}: it holds {len(prompts)} prompts, and one is wanted")
    return prompts[0]


def _read(path: Path) -> tuple[Prompt, ...]:
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
    except OSError as error:
        raise PlanError(f"prompt file {path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise PlanError(f"prompt file {path}: not TOML in UTF-8: {' '.join(str(error).split())}") from None
    tables = content.pop("prompt", None)
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise PlanError(f"prompt file {path}: it holds no table [[prompt]]")
    shared = _texts(path, content, SHARED | {"source"})
    shared.pop("source", None)
    prompts = tuple(_prompt(path, shared | _texts(path, table, SHARED | {"id", "text"})) for table in tables)
    ids = [prompt.id for prompt in prompts]
    if len(set(ids)) < len(ids):
        raise PlanError(f"prompt file {path}: two prompts have the same id; there are {', '.join(ids)}")
    return prompts


def _texts(path: Path, table: Mapping[str, Any], allowed: set[str]) -> dict[str, str]:
    if unknown := sorted(set(table) - allowed):
        raise PlanError(f"prompt file {path}: unknown key {unknown[0]!r}; there are {', '.join(sorted(allowed))}")
    for key, value in table.items():
        if not isinstance(value, str) or not value.strip():
            raise PlanError(f"prompt file {path}: {key} is {value!r}; it must be a text that is not empty")
    return dict(table)


def _prompt(path: Path, table: dict[str, str]) -> Prompt:
    for key in ("id", "text"):
        if key not in table:
            raise PlanError(f"prompt file {path}: a [[prompt]] has no {key}")
    if not ID.fullmatch(table["id"]):
        raise PlanError(f"prompt file {path}: id {table['id']!r}: give lower-case letters, digits, '.', '_' and '-'")
    return Prompt(**table)


BUNDLED: Final[Mapping[str, Prompt]] = {
    prompt.id: prompt for file in sorted(FILES.glob("*.toml")) for prompt in _read(file)
}
"""Our own prompts by id."""

FUSION_V1: Final = BUNDLED["fusion-v1"]
FUSION_V2: Final = BUNDLED["fusion-v2"]
STEP_BY_STEP_V1: Final = BUNDLED["stic-steps-v1"]
MISLEADING_V1: Final = tuple(BUNDLED[f"stic-misleading-v1-{i}"] for i in range(8))
NEUTRAL_V1: Final = tuple(BUNDLED[f"stic-neutral-v1-{i}"] for i in range(8))
