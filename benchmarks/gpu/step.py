"""What a step of the GPU benchmark is, and how much work it does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ["SCALES", "Measure", "Row", "Scale", "Setting", "Step"]

Row: TypeAlias = dict[str, str | float | int | None]
"""One line of a step's table: names of columns to figures; null is written as a dash."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large models and inputs are; sides in px, tokens and images are per measurement."""

    name: str
    chat_models: tuple[str, str]  # names in benchmarks.gpu.weights: the first is used by every step with an engine
    sides_px: tuple[int, ...]
    side_px: int  # where one side must do
    images: int
    tokens: int
    transformers: tuple[tuple[int, int], ...]  # (batch, images)
    clips: tuple[str, ...]
    detector: str
    perceived: int  # images for perception
    pages: int  # for the OCR
    mixed: int  # images through Ray, in tars of `mixed` / 8


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a step runs: scale, whether there is a GPU, a folder for weights and inputs, and one that goes with it."""

    scale: Scale
    gpu: bool
    work: Path
    scratch: Path


Measure: TypeAlias = Callable[[Setting], Iterator[Row]]
"""What a step does: yields each line as soon as it is measured, so that a step out of time keeps what it has."""


@dataclass(frozen=True, slots=True)
class Step:
    """A process of its own, ended after `seconds`. `about` heads its table, `measure` is "module:function"."""

    name: str
    about: str
    measure: str
    seconds: int = 570


SCALES: Final = {
    "nano": Scale(
        name="nano",
        chat_models=("qwen2.5-vl-tiny", "qwen3-vl-tiny"),
        sides_px=(224, 448),  # whole tokens of both models, as at the other scale
        side_px=224,
        images=8,
        tokens=8,
        transformers=((1, 2), (4, 4)),
        clips=("ViT-S-32-alt",),
        detector="yolo11n",
        perceived=16,
        pages=4,
        mixed=16,
    ),
    "7b": Scale(
        name="7b",
        chat_models=("qwen2.5-vl-7b", "qwen3-vl-8b"),
        sides_px=(224, 448, 896),
        side_px=448,
        images=512,
        tokens=200,
        transformers=((1, 8), (32, 64)),
        clips=("ViT-B-32", "ViT-L-14"),
        detector="yolo11x",
        perceived=4000,
        pages=64,
        mixed=1024,
    ),
}
