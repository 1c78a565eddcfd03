"""Which corruption an image gets, and with which parameters: decided by a hash, recorded, repeatable."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from curate.captions.choices import Choices
from curate.captions.viewing.corrupt import blur, color_jitter, crop, jpeg, low_resolution, noise, occlusion
from curate.errors import PlanError
from curate.stages import Pixels

__all__ = ["CORRUPTIONS", "STIC_CORRUPTIONS", "Corruptions", "corrupt_again"]

Parameters: TypeAlias = dict[str, Any]

CORRUPTIONS: Final[dict[str, Callable[..., Pixels]]] = {
    "low_resolution": low_resolution,
    "color_jitter": color_jitter,
    "blur": blur,
    "jpeg": jpeg,
    "noise": noise,
    "occlusion": occlusion,
    "crop": crop,
}
"""What can be done to an image, by the name that is recorded."""

STIC_CORRUPTIONS: Final = ("low_resolution", "color_jitter")


@dataclass(frozen=True, slots=True)
class Corruptions:
    """Picks one of `names` for a sample, each as likely as the others, and draws its parameters.

    One that leaves every pixel as it is (a plain image, a tiny one) gives way to the next. Strengths: the short side
    in px of `low_resolution`; `color_jitter` multiplies the brightness by up to 1 +- `brightness` and turns the hue by
    up to `hue` of the circle; `blur` has a standard deviation of `blur` of the shorter side; `noise` one of so many
    grey values; `occlusion` covers, and `crop` leaves, a part of so much of the area.
    Source: names and strengths of the first two are STIC's (arXiv 2405.19716); the strengths of the others are ours,
    chosen so that a person still sees that there is an image but not all that is in it.
    """

    names: tuple[str, ...] = STIC_CORRUPTIONS
    low_resolution_px: int = 20
    brightness: float = 0.5
    hue: float = 0.3
    blur: float = 0.04
    jpeg_quality: int = 3
    noise: float = 90.0
    occluded: float = 0.4
    cropped: float = 0.25

    def __post_init__(self) -> None:
        if not self.names or set(self.names) - set(CORRUPTIONS):
            raise PlanError(f"Corruptions: names={self.names}; choose from {', '.join(CORRUPTIONS)}")
        for name, top in (("brightness", 1), ("hue", 0.5), ("blur", 1), ("occluded", 1), ("cropped", 1)):
            if not 0 < getattr(self, name) <= top:
                raise PlanError(f"Corruptions: {name} is {getattr(self, name)}; it must be above 0, at most {top}")
        if self.low_resolution_px < 1 or not 1 <= self.jpeg_quality <= 95 or self.noise <= 0:
            raise PlanError(
                f"Corruptions: low_resolution_px={self.low_resolution_px} must be at least 1, jpeg_quality="
                f"{self.jpeg_quality} 1 to 95, noise={self.noise} above 0"
            )

    def draw(self, clean: Pixels, choices: Choices) -> tuple[Pixels, str, Parameters] | None:
        """Return the corrupted image, what was done and with which parameters; None if nothing changes a pixel."""
        for name in sorted(self.names, key=lambda name: choices.fraction(f"corruption {name}")):
            parameters = self._parameters(name, clean, choices)
            shown = corrupt_again(clean, name, parameters)
            if not np.array_equal(shown, clean):
                return shown, name, parameters
        return None

    def _parameters(self, name: str, clean: Pixels, choices: Choices) -> Parameters:
        side = {"occlusion": math.sqrt(self.occluded), "crop": math.sqrt(self.cropped)}.get(name, 1.0)
        place = {what: round(choices.between(f"{name} {what}", 0, 1 - side), 4) for what in ("left", "top")}
        drawn: dict[str, Parameters] = {
            "low_resolution": {"short_side_px": self.low_resolution_px},
            "color_jitter": {
                "brightness": round(choices.between("brightness", 1 - self.brightness, 1 + self.brightness), 4),
                "hue": round(choices.between("hue", -self.hue, self.hue), 4),
            },
            "blur": {"radius_px": round(max(1.0, self.blur * min(clean.shape[:2])), 2)},
            "jpeg": {"quality": self.jpeg_quality},
            "noise": {"deviation": self.noise, "seed": choices.seed("noise")},
            "occlusion": place | {"side": round(side, 4)},
            "crop": place | {"side": round(side, 4)},
        }
        return drawn[name]


def corrupt_again(clean: Pixels, name: str, parameters: Parameters) -> Pixels:
    """Return the image that a recorded corruption makes of the clean one.

    >>> corrupt_again(np.zeros((2, 2, 3), np.uint8), "occlusion", {"left": 0.0, "top": 0.0, "side": 0.5}).max()
    np.uint8(127)
    """
    return CORRUPTIONS[name](clean, **parameters)
