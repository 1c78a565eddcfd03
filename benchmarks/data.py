"""Tars of realistic images and texts, the same bytes every time, made once under out/bench."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg

__all__ = ["BENCH", "tars"]

BENCH = Path("out/bench")
ROWS = 1000  # samples of a tar
TEXTURE_PX = 2048
SLOPE, QUALITY = 1.3, 85  # of a 1/f spectrum, and of JPEG: 512 x 384 px then fill about 45 KB, as web images do
SIZES = ((512, 384), (384, 512), (640, 480), (560, 180), (160, 120))  # the last two fall to MinSide
SHARES = (0.70, 0.13, 0.10, 0.04, 0.03)
ENGLISH = (
    "a the of with on near old red green small large wooden stone river house garden street market dog horse bicycle "
    "boat bridge window table morning evening light shadow people children standing walking looking under behind tree "
    "mountain harbour photograph view summer winter yellow painted quiet busy kitchen library museum church"
)
GERMAN = "das alte Haus steht am Fluss und die Kinder spielen im Garten hinter der Kirche mit einem Hund"


def tars(count: int, rows: int = ROWS) -> list[Path]:
    """Return `count` tars of `rows` samples each (.jpg, .txt, .json), making those that are missing."""
    folder = BENCH / f"tars-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:05d}.tar" for i in range(count)]
    for i, path in enumerate(paths):
        if not path.exists():
            part = path.with_suffix(".part")
            _write(part, i, rows)
            part.rename(path)
    return paths


def _write(path: Path, number: int, rows: int) -> None:
    rng = np.random.default_rng(number)
    texture = _texture(rng)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i in range(rows):
            key = f"{number:05d}{i:04d}"
            members = {"jpg": _image(rng, texture), "txt": _text(rng).encode(), "json": _record(key)}
            for extension, content in members.items():
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def _record(key: str) -> bytes:
    return json.dumps({"key": key, "url": f"https://example.org/{key}.jpg", "status": "success"}).encode()


def _texture(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return uint8[2048, 2048, 3] with the 1/f spectrum of natural images; colours vary more slowly than light."""
    light, warm, cold = (_noise(rng, SLOPE + extra) for extra in (0.0, 0.3, 0.3))
    channels = (50 * light + 20 * warm, 50 * light - 10 * warm - 10 * cold, 50 * light + 20 * cold)
    return np.stack([128 + channel for channel in channels], axis=-1).clip(0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, slope: float) -> npt.NDArray[np.float64]:
    across, down = np.fft.rfftfreq(TEXTURE_PX)[None, :], np.fft.fftfreq(TEXTURE_PX)[:, None]
    strength = 1 / np.maximum(np.hypot(across, down), 1 / TEXTURE_PX) ** slope
    field = np.fft.irfft2(strength * np.exp(2j * np.pi * rng.random(strength.shape)), s=(TEXTURE_PX, TEXTURE_PX))
    return (field - field.mean()) / field.std()


def _image(rng: np.random.Generator, texture: npt.NDArray[np.uint8]) -> bytes:
    """Return the JPEG of a window of the texture, somewhere, maybe mirrored."""
    width, height = SIZES[rng.choice(len(SIZES), p=SHARES)]
    left, top = rng.integers(0, TEXTURE_PX - width), rng.integers(0, TEXTURE_PX - height)
    window = texture[top : top + height, left : left + width, :][:, :: rng.choice((-1, 1))]
    return simplejpeg.encode_jpeg(np.ascontiguousarray(window), QUALITY, "RGB", "420")


def _text(rng: np.random.Generator) -> str:
    """Return a sentence of English-looking words; one in ten is German or too short for DataComp's rules."""
    kind = rng.random()
    if kind < 0.05:
        return " ".join(rng.choice(GERMAN.split(), rng.integers(6, 16)))
    return " ".join(rng.choice(ENGLISH.split(), rng.integers(1, 3) if kind < 0.10 else rng.integers(6, 24)))
