"""Say what may have been meant by a path that begins with neither a parameter nor a stage."""

import difflib
import inspect
from collections.abc import Sequence
from typing import Final

from curate.recipe.find import Recipe
from curate.recipe.settings import settings

__all__ = ["RENAMED", "unknown_name"]

RENAMED: Final = {
    "adaptive_pixels": "dense_caption.budget",
    "allow_marks": "checks.allow_marks",
    "answers": "engine.cache",
    "caption_prompt": "dense_caption.prompt",
    "check_captions": "checks.repair",
    "chosen_prompt": "preference_pair.chosen",
    "clip_weights": "clip.weights",
    "corruptions": "preference_pair.corruptions.names",
    "detector_px": "detector.image_size_px",
    "examples": "blind_answers.prompt",
    "gpus_for_perception": "detector.resources.gpus",
    "inspectors": "blind",
    "judge_prompt": "caption_judge.prompt",
    "languages": "repair_caption.languages.wanted",
    "max_length_ratio": "pair_lengths.maximum_ratio",
    "min_face_px": "min_face.side_px",
    "min_face_score": "min_face.score",
    "min_margin": "min_pair_margin.minimum",
    "min_probability": "hints.min_attribute_probability",
    "min_side_px": "min_side.minimum_px",
    "misleading_prompts": "preference_pair.misleading",
    "more_attributes_than": "min_attributes.more_than",
    "neutral_prompts": "neutral",
    "repair_prompt": "repair_caption.prompt",
    "verify_prompt": "verify_objects.prompt",
    "vlm": "engine.model",
    "writer": "written",
}
"""Parameters of recipes before 0.2 that have another name now, for the message of an unknown one."""


def unknown_name(head: str, names: Sequence[str], recipe: Recipe) -> str:
    """Return the sentence about a path that begins with neither a parameter nor a stage."""
    first = head.partition("[")[0]
    if several := [name for name in names if name.partition("[")[0] == first]:
        there = f"the stages {first} are {', '.join(several)}" if len(several) > 1 else f"there is one stage {first}"
        return f"-p {head}: say which; {there}"
    what = f"{getattr(recipe, '__name__', recipe)} has no parameter {first!r}"
    parameters = list(inspect.signature(recipe).parameters)
    if first in parameters:
        return f"{first} is one value, with nothing below it; set it by -p {first}=…"
    if moved := _moved(first, parameters, recipe):
        return f"{what}; did you mean {' or '.join(moved)}?"
    if near_names := difflib.get_close_matches(first, [*parameters, *names], 1):
        return f"{what}; did you mean {near_names[0]}?"
    takes, stages = (", ".join(each) or "none" for each in (parameters, names))
    return f"{what} and no such stage; it takes {takes}; its stages are {stages}"


def _moved(name: str, parameters: Sequence[str], recipe: Recipe) -> list[str]:
    """Return the paths that a name may mean: what it is called now, else those that end with it."""
    paths = [setting.path for setting in settings(recipe)]
    new = RENAMED.get(name)
    if new is not None and any(path == new or path.startswith(f"{new}.") for path in paths):
        return [new]
    ending = [path for path in paths if path.rpartition(".")[2] == name]
    return ([path for path in ending if path.partition(".")[0] in parameters] or ending)[:4]
