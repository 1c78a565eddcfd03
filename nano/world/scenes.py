"""Draw scenes of the emojiworld: synthetic images with exact ground truth.

A scene is a background, one to five emoji objects and, in about 40 % of scenes, a text sign. Everything comes from one
integer seed: a (seed, size) pair always gives the same image and the same annotation. The sign's letters need the
DejaVu fonts of the system or of matplotlib; both give the same pixels.

    python -m nano.world.scenes --sprites nano/sprites              # draw the sprites from the emoji font
    python -m nano.world.scenes --render OUT --count 64 --seed 1    # write OUT/*.jpg and OUT/scenes.jsonl
"""

import argparse
import functools
import importlib.util
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from nano.world.annotation import Box, Scene, Sign, Thing, position_words, size_word
from nano.world.vocabulary import BACKGROUNDS, COLOURS, GLYPHS, NAMES, SIGN_WORDS

__all__ = [
    "FONTS",
    "draw_sprites",
    "font_path",
    "make_scene",
    "sign_font",
]

SPRITES = Path(__file__).resolve().parent.parent / "sprites"
SYSTEM_FONTS = Path("/usr/share/fonts/truetype/dejavu")
EMOJI_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
FONTS = ["DejaVuSans-Bold.ttf", "DejaVuSans.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono-Bold.ttf"]


def draw_sprites(out: Path, font: Path = EMOJI_FONT) -> None:
    """Render every glyph at the font's only bitmap size (109 px) into OUT/NAME.png, cropped."""
    out.mkdir(parents=True, exist_ok=True)
    face = ImageFont.truetype(str(font), 109)
    for name, glyph in GLYPHS.items():
        image = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
        ImageDraw.Draw(image).text((10, 10), glyph, font=face, embedded_color=True)
        image.crop(image.getchannel("A").getbbox()).save(out / f"{name}.png", optimize=True)


@functools.cache
def sprite(name: str) -> Image.Image:
    """Return the RGBA sprite of a class."""
    return Image.open(SPRITES / f"{name}.png").convert("RGBA")


@functools.cache
def font_path(name: str) -> Path:
    """Return the system's copy of a DejaVu face, else matplotlib's; raises FileNotFoundError if there is neither."""
    path = SYSTEM_FONTS / name
    if path.exists():
        return path
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is None or matplotlib.origin is None:
        message = f"font {name} not found: new scenes need DejaVu; run: pip install matplotlib"
        raise FileNotFoundError(message)
    return Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / name


@functools.cache
def sign_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a face of FONTS at a size in pixels."""
    return ImageFont.truetype(str(font_path(name)), size)


def make_scene(
    seed: int, size: tuple[int, int] | None = None, names: Sequence[str] = NAMES
) -> tuple[Image.Image, Scene]:
    """Draw the RGB image and the truth of a seed, of objects of these names.

    `size` is (width, height) in px, else each is drawn in 224-400.
    """
    rng, gen = random.Random(seed), np.random.default_rng(seed)
    w, h = size or (rng.randrange(224, 401, 8), rng.randrange(224, 401, 8))
    kind = rng.choice(BACKGROUNDS)
    first, second = rng.sample(list(COLOURS), 2)
    canvas = _draw_background(kind, (first, second), (w, h), gen)
    sign = None
    if rng.random() < 0.4:
        sign = _draw_sign(canvas, rng.choice([c for c in COLOURS if c not in (first, second)]), rng)
    things = _draw_things(canvas, [sign.box] if sign else [], names, rng)
    if not things:  # a sign that fills the image: draw another seed instead
        return make_scene(seed + 7_919_000_003, (w, h), names)
    if rng.random() < 0.15:
        canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.0)))
    return canvas, Scene(seed, w, h, kind, (first, second), tuple(things), sign)


def _draw_background(kind: str, names: tuple[str, str], size: tuple[int, int], gen: np.random.Generator) -> Image.Image:
    w, h = size
    a, b = (np.clip(np.array(COLOURS[n]) + gen.integers(-14, 15, 3), 0, 255) for n in names)
    if kind == "plain":
        return Image.new("RGB", size, _rgb(a))
    if kind == "grainy":
        noise = gen.integers(-38, 39, (h // 2 + 1, w // 2 + 1, 1), dtype=np.int16)
        small = np.clip(a.astype(np.int16) + noise, 0, 255).astype(np.uint8)
        return Image.fromarray(small).resize(size, Image.Resampling.NEAREST)
    mask = _blend_mask(kind, size, gen)
    return Image.composite(Image.new("RGB", size, _rgb(b)), Image.new("RGB", size, _rgb(a)), mask)


def _rgb(colour: npt.NDArray[np.int64]) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in colour)
    return red, green, blue


def _blend_mask(kind: str, size: tuple[int, int], gen: np.random.Generator) -> Image.Image:
    """Return where the second colour shows, 0-255."""
    w, h = size
    if kind == "gradient":
        angle = gen.uniform(0, 2 * math.pi)
        corner = np.array([[0.0, 1.0], [0.0, 1.0]])
        ramp = corner * math.cos(angle) + corner.T * math.sin(angle)
        ramp = (ramp - ramp.min()) / (np.ptp(ramp) or 1)
        return Image.fromarray((ramp * 255).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    if kind in ("striped", "checkered"):
        step = int(gen.integers(14, 36))
        row, col = np.arange(h)[:, None] // step, np.arange(w)[None, :] // step
        flag = (row + col) % 2 if kind == "checkered" else (col % 2 if gen.random() < 0.5 else row % 2)
        return Image.fromarray(np.broadcast_to(flag * 255, (h, w)).astype(np.uint8))
    grid = gen.integers(0, 256, (6, 6), dtype=np.uint8)
    return Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)


def _draw_sign(canvas: Image.Image, colour: str, rng: random.Random) -> Sign:
    w, h = canvas.size
    words = [rng.choice(SIGN_WORDS) for _ in range(rng.choices([1, 2, 3], [0.45, 0.4, 0.15])[0])]
    style = rng.choice([str.upper, str.upper, str.title, str.lower])
    lines = [style(word) for word in words]
    text = " ".join(lines)
    if len(text) <= 12 and rng.random() < 0.5:
        lines = [text]
    size = max(14, int(rng.uniform(0.065, 0.12) * h))
    font = rng.choice(FONTS)
    while size > 12 and max(sign_font(font, size).getlength(line) for line in lines) > 0.6 * w:
        size -= 2
    face = sign_font(font, size)
    pad, pitch = size // 2, int(size * 1.25)
    pw, ph = int(max(face.getlength(line) for line in lines)) + 2 * pad, pitch * len(lines) + pad
    x, y = rng.randint(2, max(2, w - pw - 2)), rng.randint(2, max(2, h - ph - 2))
    dark = sum(COLOURS[colour]) < 380
    draw = ImageDraw.Draw(canvas)
    ink = (250, 250, 250) if dark else (15, 15, 15)
    draw.rectangle((x, y, x + pw, y + ph), fill=COLOURS[colour], outline=ink, width=2)
    for i, line in enumerate(lines):
        draw.text((x + pw / 2, y + pad / 2 + pitch * (i + 0.5)), line, font=face, fill=ink, anchor="mm")
    box = (x, y, min(w, x + pw), min(h, y + ph))
    return Sign(text, box, position_words(box, w, h), colour)


def _draw_things(canvas: Image.Image, taken: Sequence[Box], names: Sequence[str], rng: random.Random) -> list[Thing]:
    """Paste one to five objects that hardly overlap each other or the boxes `taken`."""
    w, h = canvas.size
    taken = list(taken)
    things: list[Thing] = []
    for _ in range(rng.choices([1, 2, 3, 4, 5], [0.2, 0.25, 0.25, 0.18, 0.12])[0]):
        twin = bool(things) and rng.random() < 0.22
        name = things[-1].name if twin else rng.choice(names)
        box = _paste_sprite(canvas, name, taken, rng)
        if box:
            taken.append(box)
            things.append(Thing(name, box, position_words(box, w, h), size_word(box, w, h)))
    return things


def _paste_sprite(canvas: Image.Image, name: str, taken: Sequence[Box], rng: random.Random) -> Box | None:
    """Paste a sprite at a random scale, angle and free place; smaller at every try, None after twelve."""
    w, h = canvas.size
    side = math.sqrt(w * h) * math.exp(rng.uniform(math.log(0.13), math.log(0.46)))
    angle, flip, spread = rng.gauss(0, 12), rng.random() < 0.5, rng.random() < 0.15
    angle += rng.uniform(-60, 60) if spread else 0
    for _ in range(12):
        image = _turned_sprite(name, side, angle, flip)
        if image.width < w - 4 and image.height < h - 4:
            x, y = rng.randint(1, w - image.width - 1), rng.randint(1, h - image.height - 1)
            box = (x, y, x + image.width, y + image.height)
            if all(_overlap(box, other) < 0.12 for other in taken):
                canvas.paste(image, (x, y), image)
                return box
        side *= 0.92
    return None


def _turned_sprite(name: str, side: float, angle: float, flip: bool) -> Image.Image:
    base = sprite(name)
    scale = side / math.sqrt(base.width * base.height)
    size = (max(8, int(base.width * scale)), max(8, int(base.height * scale)))
    image = base.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = image.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    return image.crop(image.getchannel("A").point(lambda v: 255 * (v > 40)).getbbox())


def _overlap(p: Box, q: Box) -> float:
    """Return the intersection over the smaller of two boxes."""
    iw, ih = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
    if iw <= 0 or ih <= 0:
        return 0.0
    return iw * ih / min((p[2] - p[0]) * (p[3] - p[1]), (q[2] - q[0]) * (q[3] - q[1]))


def main() -> None:
    """Draw sprites or render scenes from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sprites", type=Path)
    parser.add_argument("--render", type=Path)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.sprites:
        draw_sprites(args.sprites)
    if args.render:
        args.render.mkdir(parents=True, exist_ok=True)
        with (args.render / "scenes.jsonl").open("w") as out:
            for i in range(args.count):
                image, scene = make_scene(args.seed + i)
                image.save(args.render / f"{i:05d}.jpg", quality=92)
                out.write(json.dumps(scene.to_dict()) + "\n")


if __name__ == "__main__":
    main()
