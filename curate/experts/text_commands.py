"""Find commands in the texts that hints quote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.prompting.commands import COMMANDS_V1, find_command, find_commands
from curate.captions.prompting.untrusted import neutral
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.text_commands import TEXT_COMMANDS

__all__ = ["TextCommands"]


@dataclass(frozen=True)
class TextCommands:
    """Add the alt text and the text lines that talk to the model, as `Hints` finds them; see `schemas.text_commands`.

    `Hints` leaves such items out by itself, with the same `commands`; this stage keeps a record of them (of whole
    texts, where hints read only as much as they may quote), and lets `NoCommands` drop their samples. A command that is
    spread over neighbouring texts counts for each of them. A sample without
    alt text and lines has an empty list. It is a list of phrases in fifteen languages, not a classifier: a sign that
    says "ignore this sign" is found too, and new wordings are missed.
    Source: our own.
    """

    commands: str = COMMANDS_V1
    ocr: bool = True
    version: ClassVar[int] = 2
    adds: ClassVar[pa.Schema] = TEXT_COMMANDS
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=512), repr=False, compare=False)

    def __post_init__(self) -> None:
        find_command("", self.commands)  # raises PlanError for a list that we do not have

    @property
    def needs(self) -> tuple[str, ...]:
        return ("alt_text", "ocr_lines") if self.ocr else ("alt_text",)

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._find_all

    def _find_all(self, batch: Batch) -> Measurement:
        return Measurement(
            {"text_commands": [self._find(row) for row in batch.table.select([*self.needs]).to_pylist()]}
        )

    def _find(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        texts = [("alt_text", row["alt_text"])]
        texts += [("ocr_lines", line["text"]) for line in row.get("ocr_lines") or () if line is not None]
        given = [(source, text) for source, text in texts if text]
        kinds = find_commands([text for _, text in given], self.commands)
        return [
            {"source": source, "kind": kind, "text": neutral(text, 120)}
            for (source, text), kind in zip(given, kinds, strict=True)
            if kind is not None
        ]
