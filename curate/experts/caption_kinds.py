"""Several kinds of text about one image, from one engine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.choices import Choices
from curate.captions.prompting.commands import find_command
from curate.captions.prompting.kinds import KINDS, Kind, parse_tags
from curate.captions.prompting.names import kept, names_and_numbers
from curate.captions.text import split_words
from curate.captions.viewing.pixel_budget import PATCH_PX, fit_budget
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.caption_kinds import CAPTION_KINDS

__all__ = ["CaptionKinds"]


@dataclass(frozen=True)
class CaptionKinds:
    """Add several texts per image: dense, short, a rewrite of the alt text, tags; see `schemas.caption_kinds`.

    Kinds are data (`curate.captions.prompting.kinds`): each has a prompt, hints, guards, a bound and a sampling
    weight; the kind named `tags` is also parsed. All kinds of an image are asked one after the other, image before
    question, so that an engine with a prefix cache reads system text and image once. A text that an engine
    cannot write is an error of its sample. Drawing one of them is `DrawnCaption`'s.
    Source: our own; several captions per image with sampling are common (VeCLIP, arXiv 2310.07699; Recap-DataComp,
    arXiv 2406.08478), the rewrite that keeps knowledge of the alt text is CapsFusion's idea (arXiv 2310.20550). Left
    out: grounded captions and questions, which are stages of their own.
    """

    engine: Engine
    kinds: tuple[Kind, ...] = KINDS
    longest_side_px: int = 448
    most_tags: int = 20
    temperature: float = 0.0
    seed: int = 0
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = CAPTION_KINDS

    def __post_init__(self) -> None:
        names = [kind.name for kind in self.kinds]
        if not names or len(set(names)) < len(names):
            raise PlanError(f"CaptionKinds: kinds are {names}; give one or more, each name once")
        if self.longest_side_px < PATCH_PX or self.most_tags < 1 or self.temperature < 0:
            raise PlanError(
                f"CaptionKinds: longest_side_px={self.longest_side_px} must be at least {PATCH_PX}, "
                f"most_tags={self.most_tags} at least 1, temperature={self.temperature} at least 0"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for kind in self.kinds for name in kind.needs))

    @property
    def pixels(self) -> int:
        return self.longest_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()

    def load(self) -> Scorer:
        return partial(self._write, generate=self.engine.load(), stage=repr(self))

    def _write(self, batch: Batch, generate: Generate, stage: str) -> Measurement:
        rows = batch.table.select(["uid", *self.needs]).to_pylist()
        answers = iter(generate(self._requests(batch, rows, stage)))
        lines, errors, seconds = [], [], []
        for row in rows:
            completions = [None if _refused(kind, row) else next(answers) for kind in self.kinds]
            asked = [completion for completion in completions if completion is not None]
            error = next((completion.error for completion in asked if completion.error), None)
            lines.append({} if error else self._line(row, completions))
            errors.append(error)
            seconds.append(sum(completion.latency_seconds for completion in asked))
        columns: dict[str, list[Any]] = {name: [line.get(name) for line in lines] for name in CAPTION_KINDS.names}
        return Measurement(columns, errors, seconds)

    def _requests(self, batch: Batch, rows: Sequence[dict[str, Any]], stage: str) -> Iterator[Request]:
        """Yield the requests as the engine takes them, those of an image one after the other."""
        for row, image in zip(rows, batch.images, strict=True):
            picture = fit_budget(image, self.longest_side_px)
            choices = Choices(self.seed, stage, row["uid"])
            for kind in self.kinds:
                if _refused(kind, row):
                    continue
                yield Request(
                    id=f"{row['uid']}-{kind.name}",
                    prompt=kind.ask(row, picture.shape[1], picture.shape[0]),
                    image=picture,
                    system=kind.prompt.system,
                    max_tokens=kind.max_tokens,
                    temperature=self.temperature,
                    seed=choices.seed(kind.name),
                )

    def _line(self, row: dict[str, Any], completions: Sequence[Completion | None]) -> dict[str, Any]:
        texts = [_text(kind, row, answer) for kind, answer in zip(self.kinds, completions, strict=True)]
        asked = [answer for answer in completions if answer is not None]
        by_kind = {text["kind"]: text["text"] for text in texts}
        tags = by_kind.get("tags")
        return {
            "captions": texts,
            "captions_model": self.engine.name,
            "captions_prompt_tokens": sum(answer.prompt_tokens for answer in asked),
            "captions_completion_tokens": sum(answer.completion_tokens for answer in asked),
            "tags": None if tags is None else parse_tags(tags, self.most_tags),
        } | self._names(row, by_kind)

    def _names(self, row: dict[str, Any], by_kind: dict[str, str | None]) -> dict[str, Any]:
        """Return what the first rewrite kept of the alt text's names and numbers."""
        rewrite = next((by_kind[kind.name] for kind in self.kinds if kind.rewrites), None)
        if rewrite is None:
            return {}
        names = names_and_numbers(row["alt_text"])
        saved = [name for name in names if kept(name, rewrite)]
        return {
            "alt_text_names": names,
            "alt_text_names_kept": saved,
            "alt_text_names_kept_frac": len(saved) / len(names) if names else 1.0,
        }


def _refused(kind: Kind, row: dict[str, Any]) -> str | None:
    """Return the mark of a rewrite that cannot be asked for, or None."""
    if not kind.rewrites:
        return None
    if not (row["alt_text"] or "").strip():
        return "no_alt_text"
    commands = kind.hints.commands
    return "command_in_alt_text" if commands is not None and find_command(row["alt_text"], commands) else None


def _text(kind: Kind, row: dict[str, Any], completion: Completion | None) -> dict[str, Any]:
    entry = {"kind": kind.name, "text": None, "weight": kind.weight, "words": None, "prompt_id": kind.prompt.id}
    if completion is None:
        return entry | {"marks": [_refused(kind, row)], "finish_reason": None}
    text = completion.text.strip()
    return entry | {
        "text": text,
        "words": len(split_words(text)),
        "marks": kind.guards.mark(text, completion.finish_reason, kind.prompt),
        "finish_reason": completion.finish_reason,
    }
