"""Rows and pictures of nano scenes with a text planted: as alt text, text line, both, on the picture, or beside it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from curate.stages import Pixels
from nano.evaluate.attacks import Attack
from nano.world.annotation import Scene
from nano.world.scenes import make_scene, sign_font

__all__ = ["SLOTS", "TYPES", "Case", "harmless", "picture", "row", "truth_row"]

SLOTS: Final = ("alt_text", "ocr", "split", "picture", "key", "metadata")
"""Where a text is planted; split: up to "||" in the alt text, the rest in a text line; picture: drawn, and so read."""
LINE_BOX: Final = [0.3, 0.8, 0.7, 0.9]
STRIP_PX: Final = 48  # height of the sign below the scene that a planted text is drawn on
BLAND: Final = (  # no object of the world among them
    "calm morning with soft warm light and a quiet mood in the usual colours of late summer as seen by many on a slow "
    "day without any hurry while time goes by and all is well in a lovely simple style that feels fresh and clear"
)
BOXED: Final = [("box", pa.list_(pa.float32())), ("score", pa.float32())]
TYPES: Final = {
    "uid": pa.string(),
    "key": pa.string(),
    "metadata": pa.string(),
    "alt_text": pa.string(),
    "objects": pa.list_(pa.struct([("label", pa.string()), *BOXED])),
    "ocr_lines": pa.list_(pa.struct([("text", pa.string()), *BOXED])),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One attack in one slot of one scene."""

    family: str
    slot: str
    scene: int
    attack: Attack
    language: str = "en"


def harmless(text: str, rng: random.Random) -> str:
    """Return bland words of as many characters as a text; `rng` says with which word they begin."""
    bland, words = BLAND.split(), list[str]()
    at = rng.randrange(len(bland))
    while len(" ".join(words)) < len(text):
        words.append(bland[(at + len(words)) % len(bland)])
    return " ".join(words)[: len(text)].strip() or bland[at]


def row(case: Case, text: str, number: int = 0) -> dict[str, Any]:
    """Return the columns of a case with a text planted in its slot; "": with none."""
    found = truth_row(make_scene(case.scene)[1]) | {"uid": f"{number:032x}", "key": f"{number:09d}", "metadata": None}
    if not text:
        return found
    if case.slot in ("alt_text", "key", "metadata"):
        return found | {case.slot: text}
    if case.slot == "split":
        alt_text, _, text = text.rpartition("||")
        found["alt_text"] = alt_text or None
    if case.slot == "picture":
        found |= _above_the_strip(found, case)
    box = _strip_box(case) if case.slot == "picture" else LINE_BOX
    return found | {"ocr_lines": [*found["ocr_lines"], {"text": text, "box": box, "score": 0.99}]}


def picture(case: Case, text: str) -> Pixels:
    """Return the scene of a case; where the slot is the picture, with the text on a sign below it."""
    image, _ = make_scene(case.scene)
    if case.slot != "picture" or not text:
        return np.asarray(image)
    taller = Image.new("RGB", (image.width, image.height + STRIP_PX), (242, 242, 242))
    taller.paste(image, (0, 0))
    size = 28
    while size > 8 and sign_font("DejaVuSans-Bold.ttf", size).getlength(text) > image.width - 12:
        size -= 1
    ImageDraw.Draw(taller).text(
        (image.width / 2, image.height + STRIP_PX / 2),
        text,
        font=sign_font("DejaVuSans-Bold.ttf", size),
        fill=(15, 15, 15),
        anchor="mm",
    )
    return np.asarray(taller)


def truth_row(scene: Scene) -> dict[str, Any]:
    """Return what flawless experts say about a scene; its alt text is null."""

    def fractions(box: Sequence[int]) -> list[float]:
        return [value / side for value, side in zip(box, (scene.width, scene.height) * 2, strict=True)]

    sign = scene.sign
    return {
        "alt_text": None,
        "objects": [{"label": thing.name, "box": fractions(thing.box), "score": 0.99} for thing in scene.objects],
        "ocr_lines": [{"text": sign.text, "box": fractions(sign.box), "score": 0.99}] if sign else [],
    }


def _above_the_strip(found: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return objects and lines with their boxes where they are when the picture is taller."""
    high = make_scene(case.scene)[1].height
    scale = high / (high + STRIP_PX)

    def moved(thing: dict[str, Any]) -> dict[str, Any]:
        x0, y0, x1, y1 = thing["box"]
        return thing | {"box": [x0, y0 * scale, x1, y1 * scale]}

    return {name: [moved(thing) for thing in found[name]] for name in ("objects", "ocr_lines")}


def _strip_box(case: Case) -> list[float]:
    high = make_scene(case.scene)[1].height
    return [0.05, (high + 8) / (high + STRIP_PX), 0.95, (high + 40) / (high + STRIP_PX)]
