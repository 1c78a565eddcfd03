"""Plant known defects, and oddities that are none, into clean samples."""
# ruff: noqa: RUF001 - sentences in other scripts

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from nano.shards.samples import KEPT, Sample, decode, describe, encode, with_text
from nano.world.annotation import Scene, area
from nano.world.scenes import make_scene, sign_font
from nano.world.texts import FILE_NAMES, PARTIAL, dense_caption, mentioned, spam_alt_text
from nano.world.vocabulary import SIGN_WORDS

__all__ = ["PLANTS", "Plant"]

OTHER_LANGUAGES = [  # our own sentences
    "Ein kleiner Hund spielt mit einem roten Ball im Garten hinter dem Haus.",
    "Die alte Uhr an der Wand zeigt, dass es schon sehr spät geworden ist.",
    "Zwei Fahrräder stehen am Fluss, und die Sonne scheint durch die Bäume.",
    "Un petit chat dort sur une chaise près de la fenêtre de la cuisine.",
    "Le train bleu traverse la vallée pendant que les nuages passent lentement.",
    "Un bateau et trois oiseaux sont près de la maison blanche au bord du lac.",
    "Un caballo marrón corre por el campo mientras llueve sobre las montañas.",
    "Hay una taza de café y un libro abierto encima de la mesa de madera.",
    "一只小狗在花园里玩红色的球，旁边有一棵大树和一朵向日葵。",
    "桌子上放着一部手机、一台笔记本电脑和一块生日蛋糕。",
    "Маленькая лодка плывёт по озеру, а на берегу стоит красный дом.",
    "На столе лежат ключи, часы и большая книга с синей обложкой.",
]
NOT_FOUND = b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>The picture has moved.</body></html>\n"


@dataclass(frozen=True, slots=True)
class Plant:
    """One kind of defect or oddity; `count` is how many of 300 samples, `apply` makes one of a clean sample.

    With `repeats` it is made of a clean sample elsewhere, retold: no filter drops it, but the columns show the pair.
    """

    name: str
    count: int
    expected: tuple[str, ...]
    apply: Callable[[Sample, random.Random], Sample]
    repeats: bool = False


def truth(sample: Sample) -> Scene:
    """Return the scene of a clean sample."""
    if sample.scene is None:
        raise ValueError("a clean sample has a scene")
    return sample.scene


def re_encode(sample: Sample, rng: random.Random) -> Sample:
    """Store the same image at a lower quality, or reduced by up to a quarter, but not under 200 px."""
    image = decode(sample)
    if rng.random() < 0.5:
        return replace(sample, image=encode(image, "JPEG", rng.choice([55, 65, 75])))
    scale = max(rng.uniform(0.75, 0.9), 200 / min(image.size))
    size = (round(image.width * scale), round(image.height * scale))
    return replace(sample, image=encode(image.resize(size, Image.Resampling.LANCZOS), "JPEG"))


def say_of_another(sample: Sample, rng: random.Random) -> Sample:
    """Take the alt text of a scene that shares no object with this one."""
    while True:
        _, other = make_scene(truth(sample).seed + rng.randrange(10**5, 10**6))
        kind, text = describe(other, rng)
        if not mentioned(text) & set(truth(sample).counts()):
            return with_text(sample, kind, text)


def say_spam(sample: Sample, rng: random.Random) -> Sample:
    return with_text(sample, "spam", spam_alt_text(list(truth(sample).counts()), rng))


def say_file_name(sample: Sample, rng: random.Random) -> Sample:
    return with_text(sample, "file", rng.choice(FILE_NAMES).format(rng.randint(1, 9999)))


def say_too_little(sample: Sample, rng: random.Random) -> Sample:
    name = rng.choice(list(truth(sample).counts()))
    return with_text(sample, "short", rng.choice(["{}", "a {}", "my {}", "{} 2", "photo"]).format(name))


def say_too_much(sample: Sample, rng: random.Random) -> Sample:
    """Repeat a true dense caption to more than 400 words."""
    caption = dense_caption(truth(sample), rng)
    return with_text(sample, "repeated", " ".join([caption] * (1 + 400 // len(caption.split()) + rng.randint(0, 3))))


def say_half(sample: Sample, rng: random.Random) -> Sample:
    """Name one object in four words or less, as many true alt texts do."""
    return with_text(sample, "partial", rng.choice(PARTIAL).format(rng.choice(list(truth(sample).counts()))))


def say_in_another_language(sentence: str, sample: Sample, _: random.Random) -> Sample:
    return with_text(sample, "other_language", sentence)


def say_nothing(sample: Sample, _: random.Random) -> Sample:
    return replace(sample, text=None, alt_kind="none")


def say_in_latin_1(sample: Sample, _: random.Random) -> Sample:
    """Append a word whose accents are not UTF-8."""
    return replace(sample, text=(sample.text or b"") + " déjà".encode("latin-1"))


def shrink(sample: Sample, rng: random.Random) -> Sample:
    """Reduce the shorter side to 64-150 px, less than any scene has."""
    image = decode(sample)
    scale = rng.randint(64, 150) / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return replace(sample, image=encode(image.resize(size, Image.Resampling.LANCZOS), "JPEG"))


def stretch(sample: Sample, rng: random.Random) -> Sample:
    """Draw the scene anew 3.2 to 4 times as long as short."""
    short = rng.randrange(208, 241, 8)
    size = (round(short * rng.uniform(3.2, 4.0)), short)
    image, scene = make_scene(truth(sample).seed, size if rng.random() < 0.6 else size[::-1])
    kind, text = describe(scene, rng)
    return with_text(replace(sample, scene=scene, image=encode(image, "JPEG")), kind, text)


def animate(sample: Sample, rng: random.Random) -> Sample:
    """Store two or three frames, each a little darker, as GIF."""
    image = decode(sample)
    frames = [image.point(lambda v, k=k: v - 12 * k).convert("P") for k in range(rng.choice([2, 3]))]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=200, loop=0)
    return replace(sample, image=file.getvalue(), extension="gif")


def cover_with_text(sample: Sample, rng: random.Random) -> Sample:
    """Fill the background with words around small objects, so that image and alt text still match."""
    scene = truth(sample)
    while sum(map(area, scene.objects)) > 0.12 * scene.width * scene.height or scene.height < 260:
        _, scene = make_scene(scene.seed + rng.randrange(10**5, 10**6))
    image, scene = make_scene(scene.seed)
    poster = image.copy()
    write_over(poster, rng)
    for box in [thing.box for thing in scene.objects] + ([scene.sign.box] if scene.sign else []):
        poster.paste(image.crop(box), box)
    kind, text = describe(scene, rng)
    return with_text(replace(sample, scene=scene, image=encode(poster, "JPEG")), kind, text)


def write_over(image: Image.Image, rng: random.Random) -> None:
    """Write lines of words over the whole image."""
    draw, size = ImageDraw.Draw(image), max(18, image.height // 12)
    font = sign_font("DejaVuSans-Bold.ttf", size)
    for y in range(2, image.height - size, int(size * 1.15)):
        line = rng.choice(SIGN_WORDS).upper()
        for _ in range(12):  # fill the line
            longer = line + " " + rng.choice(SIGN_WORDS).upper()
            if font.getlength(longer) < image.width - 6:
                line = longer
        draw.text((4, y), line, font=font, fill=(15, 15, 15), stroke_width=1, stroke_fill=(245, 245, 245))


def cut(sample: Sample, rng: random.Random) -> Sample:
    """Lose the last third to two thirds of the file."""
    image = sample.image or b""
    return replace(sample, scene=None, image=image[: int(len(image) * rng.uniform(0.35, 0.7))])


def lose_bytes(sample: Sample, _: random.Random) -> Sample:
    return replace(sample, scene=None, image=b"")


def lose_member(sample: Sample, _: random.Random) -> Sample:
    return replace(sample, scene=None, image=None)


def store_web_page(sample: Sample, _: random.Random) -> Sample:
    return replace(sample, scene=None, image=NOT_FOUND)


def mislabel(sample: Sample, rng: random.Random) -> Sample:
    """Store a PNG or WebP under the name of a JPEG."""
    return replace(sample, image=encode(decode(sample), rng.choice(["PNG", "WEBP"])))


def store_as_cmyk(sample: Sample, _: random.Random) -> Sample:
    return replace(sample, image=encode(decode(sample).convert("CMYK"), "JPEG"))


def turn(sample: Sample, _: random.Random) -> Sample:
    """Store the image lying on its side, with the EXIF note that sets it upright."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # to be shown turned 90 degrees clockwise
    decode(sample).transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", quality=86, exif=exif)
    return replace(sample, image=file.getvalue())


def store_as_palette(sample: Sample, _: random.Random) -> Sample:
    image = encode(decode(sample).convert("P", palette=Image.Palette.ADAPTIVE), "PNG")
    return replace(sample, image=image, extension="png")


def store_as_16_bit(sample: Sample, _: random.Random) -> Sample:
    """Write an RGB PNG of 16 bits a channel, which Pillow reads but cannot write."""
    pixels = np.asarray(decode(sample)).astype(">u2") * 257
    height, width, _channels = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return replace(sample, image=b"\x89PNG\r\n\x1a\n" + b"".join(chunks), extension="png")


def leave(sample: Sample, _: random.Random) -> Sample:
    return sample


PLANTS = [
    Plant("mismatch", 15, ("MinClipScore",), say_of_another),
    Plant("spam", 12, ("NoBoilerplate", "MinClipScore"), say_spam),
    Plant("file_name", 10, ("NoBoilerplate", "CaptionWords"), say_file_name),
    Plant("too_short", 10, ("CaptionWords",), say_too_little),
    Plant("too_long", 8, ("CaptionWords",), say_too_much),
    Plant("no_text", 8, ("CaptionWords",), say_nothing),
    Plant("too_small", 10, ("MinSide",), shrink),
    Plant("extreme_aspect", 8, ("MaxAspect",), stretch),
    Plant("animated", 8, ("NotAnimated",), animate),
    Plant("text_covered", 10, ("MaxTextArea",), cover_with_text),
    Plant("truncated", 8, ("error:image_truncated",), cut),
    Plant("zero_bytes", 8, ("error:empty_image",), lose_bytes),
    Plant("web_page", 8, ("error:image_undecodable",), store_web_page),
    Plant("no_picture", 4, ("error:missing_image",), lose_member),
    Plant("duplicate_key", 4, ("error:duplicate_key",), leave),  # the writer gives it the key of another sample
    Plant("partial", 8, (), say_half),
    Plant("wrong_extension", 4, KEPT, mislabel),
    Plant("bad_utf8", 4, KEPT, say_in_latin_1),
    Plant("cmyk", 3, KEPT, store_as_cmyk),
    Plant("exif_rotated", 3, KEPT, turn),
    Plant("palette", 3, KEPT, store_as_palette),
    Plant("sixteen_bit", 3, KEPT, store_as_16_bit),
    Plant("exact_duplicate", 10, KEPT, leave, repeats=True),
    Plant("near_duplicate", 12, KEPT, re_encode, repeats=True),
    *(
        Plant("other_language", 1, ("LanguageIn",), partial(say_in_another_language, sentence))
        for sentence in OTHER_LANGUAGES
    ),
]
