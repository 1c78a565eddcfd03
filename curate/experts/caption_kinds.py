"""Write several kinds of text about one image with one engine."""

from collections.abc import Mapping
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
from curate.engines.asking import Conversation, Row, scorer
from curate.engines.engine import Completion, Engine, Request
from curate.errors import PlanError
from curate.stages import Pixels, Resources, Scorer
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
    version: ClassVar[int] = 2
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
        self.engine.start()
        return scorer(self.adds, self.engine, partial(self._write, stage=repr(self)))

    def _write(self, row: Row, image: Pixels, stage: str) -> Conversation:
        image = fit_budget(image, self.longest_side_px, self.engine.facts.images)
        refusals = {kind.name: _refusal(kind, row) for kind in self.kinds}
        kinds = [kind for kind in self.kinds if refusals[kind.name] is None]
        answers = yield [self._request(kind, row, image, stage) for kind in kinds]
        by_kind = dict(zip((kind.name for kind in kinds), answers, strict=True))
        texts = [_text(kind, by_kind.get(kind.name), refusals[kind.name]) for kind in self.kinds]
        written = {text["kind"]: text["text"] for text in texts}
        tags = written.get("tags")
        return {
            "captions": texts,
            "captions_model": self.engine.name,
            "captions_prompt_tokens": sum(answer.prompt_tokens for answer in answers),
            "captions_completion_tokens": sum(answer.completion_tokens for answer in answers),
            "captions_tags": None if tags is None else parse_tags(tags, self.most_tags),
        } | self._names(row, written)

    def _request(self, kind: Kind, row: Row, image: Pixels, stage: str) -> Request:
        return Request(
            id=f"{row['uid']}-{kind.name}",
            prompt=kind.ask(row, image.shape[1], image.shape[0]),
            image=image,
            system=kind.prompt.system,
            max_tokens=kind.max_tokens,
            temperature=self.temperature,
            seed=Choices(self.seed, stage, row["uid"]).seed(kind.name),
        )

    def _names(self, row: Row, written: Mapping[str, str | None]) -> dict[str, Any]:
        """Return what the first rewrite kept of the alt text's names and numbers; nothing if there is no rewrite."""
        rewrite = next((written[kind.name] for kind in self.kinds if kind.rewrites), None)
        if rewrite is None:
            return {}
        names = names_and_numbers(row["alt_text"])
        names_kept = [name for name in names if kept(name, rewrite)]
        return {
            "alt_text_names": names,
            "alt_text_names_kept": names_kept,
            "alt_text_names_kept_frac": len(names_kept) / len(names) if names else 1.0,
        }


def _refusal(kind: Kind, row: Row) -> str | None:
    """Return the mark of a rewrite that cannot be asked for; None for what can."""
    if not kind.rewrites:
        return None
    if not (row["alt_text"] or "").strip():
        return "no_alt_text"
    commands = kind.hints.commands
    return "command_in_alt_text" if commands is not None and find_command(row["alt_text"], commands) else None


def _text(kind: Kind, answer: Completion | None, refusal: str | None) -> dict[str, Any]:
    """Return an entry of `captions`; its text is null where the kind was refused, and so not asked for."""
    entry = {"kind": kind.name, "text": None, "weight": kind.weight, "words": None, "prompt_id": kind.prompt.id}
    if answer is None:
        return entry | {"marks": [refusal], "finish_reason": None}
    text = answer.text.strip()
    return entry | {
        "text": text,
        "words": len(split_words(text)),
        "marks": kind.guards.mark(text, answer.finish_reason, kind.prompt),
        "finish_reason": answer.finish_reason,
    }
