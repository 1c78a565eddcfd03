"""What judges of a text about an image share: the bounds of their numbers, and what they ask."""

from typing import Protocol

from curate.captions.judging.judges import score_prompt
from curate.captions.prompting.prompts import Prompt
from curate.captions.viewing.pixel_budget import fit_budget
from curate.engines.asking import Row
from curate.engines.engine import Engine, Request
from curate.errors import PlanError
from curate.stages import Pixels

__all__ = ["Judge", "check_judge", "judge_request"]


class Judge(Protocol):
    """A judge: what it asks, of which column, with how many pixels, tokens and characters of the text."""

    @property
    def engine(self) -> Engine: ...
    @property
    def prompt(self) -> Prompt: ...
    @property
    def text(self) -> str: ...
    @property
    def structured(self) -> bool: ...
    @property
    def longest_side_px(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def characters(self) -> int: ...


def check_judge(judge: Judge) -> None:
    """Raise PlanError if an answer would not fit, or hardly any of the text would be shown."""
    if judge.max_tokens < 8 or judge.characters < 100:
        raise PlanError(
            f"{type(judge).__name__}: max_tokens={judge.max_tokens} must be at least 8, characters={judge.characters} "
            "at least 100"
        )


def judge_request(judge: Judge, row: Row, image: Pixels, schema: str) -> Request:
    """Ask for scores of the text of a row; as JSON of this schema if the judge is structured."""
    return Request(
        id=row["uid"],
        prompt=score_prompt(judge.prompt.fill(), row[judge.text], judge.characters),
        image=fit_budget(image, judge.longest_side_px, judge.engine.facts.images),
        system=judge.prompt.system,
        max_tokens=judge.max_tokens,
        json_schema=schema if judge.structured else None,
    )
