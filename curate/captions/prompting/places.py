"""Boxes as text, in the form that a model family was trained on."""

from collections.abc import Callable
from typing import Final

from curate.captions.boxes import Box, centre, is_box
from curate.models.chat_models import Place, chat_facts

__all__ = ["PLACES", "Place", "place_style", "place_words", "write_place"]


def place_style(model: str) -> Place:
    """Return how to write boxes for a model, a name or a folder; "fraction" for a family that we do not know.

    >>> place_style("Qwen/Qwen2.5-VL-7B-Instruct"), place_style("Qwen/Qwen3-VL-8B-Instruct")
    ('pixels', 'thousandths')
    >>> place_style("OpenGVLab/InternVL3_5-8B"), place_style("google/gemma-3-12b-it")
    ('thousandths', 'fraction')
    """
    return chat_facts(model).place


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
