"""Write expert hints about scenes in the many layouts that the nano VLM is trained on."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from nano.world.annotation import Box, Scene, Sign, Thing, area
from nano.world.texts import fake_object, web_alt_text

__all__ = ["hint_block"]

TITLES = ["Detected objects:", "Objects:", "Detections:", "Object detector:", "Detected:"]
ITEMS = [
    "{n} {p}",
    "{n} ({p})",
    "{n} at {p}",
    "{n}: {p}",
    "{n} in the {q} {p}",
    "{n} ({q}) {p}",
    "{s} {n} in the {q}",
    '{{"label": "{n}", "box": {p}}}',
    '{{"name": "{n}", "position": "{q}"}}',
]
COUNTS = ["{n} x{c}", "{c} {n}", "{n}: {c}", "{n} ({c})", "{c} x {n}"]
GAPS = [" ", " ", '", "', " | ", " / ", '" "', "\n"]
OCR = [
    'OCR text: "{}"',
    'OCR: "{}"',
    'Text in image: "{}"',
    "Visible text: {}",
    "OCR: {}",
    'Text: "{}"',
    '- text: "{}"',
    'Recognized text: "{}"',
    'OCR: ["{}"]',
    "Text:\n{}",
]
NO_TEXT = ["OCR text: none", "OCR: (none)", "Text in image: none"]
ALT_TEXT = ["Alt text: {}", 'Alt-text: "{}"', "Original caption: {}"]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How places are written: 0 pixels, 1 fractions, 2 words; every box is off by up to 2 px."""

    style: int
    width: int
    height: int

    def place(self, box: Box, position: str, rng: random.Random) -> str:
        x0, y0, x1, y1 = (max(0, v + rng.randint(-2, 2)) for v in box)
        if self.style == 0:
            return f"[{x0}, {y0}, {x1}, {y1}]"
        if self.style == 1:
            w, h = self.width, self.height
            return f"[{x0 / w:.2f}, {y0 / h:.2f}, {x1 / w:.2f}, {y1 / h:.2f}]"
        return position


def hint_block(scene: Scene, rng: random.Random, clean: bool = False) -> str:
    """Write objects, OCR, tags and alt text as lines; unless `clean`, sometimes wrong, incomplete or empty."""
    objects, sign = _observed(scene, rng, clean)
    layout = _Layout(rng.choice([0, 0, 1, 2, 2, 2]), scene.width, scene.height)
    items = _items(objects, layout, rng)
    lines: list[str] = []
    if rng.random() < 0.9 or clean:
        title = rng.choice(TITLES)
        if rng.random() < 0.5:
            lines.append(f"{title} " + rng.choice(["; ", ", "]).join(items))
        else:
            lines.append("\n".join([title, *("- " + item for item in items)]))
    if sign and (rng.random() < 0.92 or clean):
        lines.append(_text_line(sign, layout, rng))
    elif rng.random() < 0.3:
        lines.append(rng.choice(NO_TEXT))
    if rng.random() < 0.35:
        lines.append(rng.choice(["Tags: ", "Image tags: "]) + ", ".join(dict.fromkeys(o.name for o in objects)))
    if rng.random() < 0.2:
        lines.append(rng.choice(ALT_TEXT).format(web_alt_text(scene, rng)[0]))
    if rng.random() < 0.2:
        rng.shuffle(lines)
    return "\n".join(lines)


def _observed(scene: Scene, rng: random.Random, clean: bool) -> tuple[list[Thing], Sign | None]:
    """Return what imperfect experts report, mostly the biggest object first."""
    objects, sign = list(scene.objects), scene.sign
    if not clean:
        if rng.random() < 0.18 and len(objects) > 1:
            objects.remove(rng.choice(objects))
        if rng.random() < 0.10:
            objects.append(fake_object(scene, rng))
        if rng.random() < 0.12:
            sign = None
    objects.sort(key=area, reverse=True)
    if rng.random() < 0.25:
        rng.shuffle(objects)
    return objects, sign


def _items(objects: Sequence[Thing], layout: _Layout, rng: random.Random) -> list[str]:
    """Return one item per object, now and then one per class with its count."""
    score, form = rng.random() < 0.4, rng.choice(ITEMS)
    items = []
    for thing in objects:
        place = layout.place(thing.box, thing.position, rng)
        item = form.format(n=thing.name, p=place, q=thing.position, s=thing.size)
        items.append(item + (f" {rng.uniform(0.55, 0.99):.2f}" if score else ""))
    if rng.random() >= 0.12:
        return items
    counts: dict[str, int] = {}
    for thing in objects:
        counts[thing.name] = counts.get(thing.name, 0) + 1
    form = rng.choice(COUNTS)
    return [form.format(n=name, c=count) for name, count in counts.items()]


def _text_line(sign: Sign, layout: _Layout, rng: random.Random) -> str:
    text = sign.text.replace(" ", rng.choice(GAPS))
    place = f" at {layout.place(sign.box, sign.position, rng)}"
    tail = rng.choice(["", "", f" ({sign.position})", place, f" {rng.uniform(0.8, 1):.2f}"])
    return rng.choice(OCR).format(text) + tail
