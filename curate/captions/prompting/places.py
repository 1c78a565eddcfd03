"""Boxes as text, in the form that a model family was trained on."""

import re
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from curate.captions.boxes import Box, centre, is_box

__all__ = ["PLACES", "Place", "place_style", "place_words", "write_place"]

Place: TypeAlias = Literal["fraction", "pixels", "thousandths", "words"]
"""How boxes are written."""

# Families by name, first match. Qwen2.5-VL: absolute pixels of the image after its resize. Qwen2-VL, Qwen3-VL and
# InternVL: whole numbers 0 to 1000 (ms-swift's Custom-dataset.md and the models' own cards).
FAMILIES: Final[tuple[tuple[re.Pattern[str], Place], ...]] = (
    (re.compile(r"qwen[-_ ]?2[._]5[-_ ]?(?:vl|omni)"), "pixels"),
    (re.compile(r"qwen[-_ ]?(?:2|3|3[._]\d)[-_ ]?(?:vl|omni)|qwen-?vl|qvq|intern[-_ ]?vl"), "thousandths"),
)


def place_style(model: str) -> Place:
    """Return how to write boxes for a model, from its name or path; "fraction" for a family that we do not know.

    >>> place_style("Qwen/Qwen2.5-VL-7B-Instruct"), place_style("Qwen/Qwen3-VL-8B-Instruct")
    ('pixels', 'thousandths')
    >>> place_style("OpenGVLab/InternVL3_5-8B"), place_style("google/gemma-3-12b-it")
    ('thousandths', 'fraction')
    """
    name = model.casefold()
    return next((place for pattern, place in FAMILIES if pattern.search(name)), "fraction")


def write_place(box: Box | None, place: Place, width_px: int, height_px: int) -> str | None:
    """Return a box as text, cut to the image; None for one that is no box. The size is what the model sees.

    >>> [write_place([0.1, 0.25, 0.5, 1.01], place, 448, 336) for place in ("fraction", "pixels", "thousandths")]
    ['[0.100, 0.250, 0.500, 1.000]', '[45, 84, 224, 336]', '[100, 250, 500, 1000]']
    """
    if box is None or not is_box(box):
        return None
    return PLACES[place]([min(1.0, max(0.0, v)) for v in box], width_px, height_px)


def place_words(box: Box) -> str:
    """Return where the centre of a box lies, in words of a nine-way grid.

    >>> place_words([0.0, 0.0, 0.2, 0.2]), place_words([0.4, 0.4, 0.6, 0.6]), place_words([0.7, 0.4, 1.0, 0.6])
    ('top left', 'centre', 'middle right')
    """
    column, row = (min(2, int(3 * middle)) for middle in centre(box))
    if row == column == 1:
        return "centre"
    return f"{('top', 'middle', 'bottom')[row]} {('left', 'centre', 'right')[column]}"


def _fractions(box: Box, _width: int, _height: int) -> str:
    return "[" + ", ".join(f"{value:.3f}" for value in box) + "]"


def _pixels(box: Box, width: int, height: int) -> str:
    return "[" + ", ".join(str(round(v * side)) for v, side in zip(box, (width, height) * 2, strict=True)) + "]"


def _thousandths(box: Box, _width: int, _height: int) -> str:
    return "[" + ", ".join(str(round(1000 * value)) for value in box) + "]"


def _words(box: Box, _width: int, _height: int) -> str:
    return place_words(box)


PLACES: Final[dict[Place, Callable[[Box, int, int], str]]] = {
    "fraction": _fractions,
    "pixels": _pixels,
    "thousandths": _thousandths,
    "words": _words,
}
