r"""Measure the quality filters and T-MARS on images with planted faults.

    python -m nano.evaluate.quality                         # fresh scenes of the emojiworld
    python -m nano.evaluate.quality --photos FOLDER         # photographs of your own, which must be good ones

Every image is spoiled in each of the ways of `nano/evaluate/plant_quality.py` and kept in a few that are no fault. A
line says of a filter with its defaults which share of what it should drop it does drop (recall), which share of the
good ones it drops too, and its precision if there were as many spoiled as good ones. --values adds the quantiles of the
measure that it reads. T-MARS needs the nano CLIP and OCR: --no-tmars leaves it out, and so does --photos.
"""

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from curate.experts.image_facts import ImageFacts
from curate.experts.image_quality import ImageQuality
from curate.experts.tiled_watermark import TiledWatermark
from curate.pipeline import FailureLimits, Pipeline
from curate.run.local import measure
from curate.stages import Filter
from filters.max_blockiness import MaxBlockiness
from filters.max_noise import MaxNoise
from filters.min_contrast import MinContrast
from filters.min_jpeg_quality import MinJpegQuality
from filters.min_sharpness import MinSharpness
from filters.no_tiled_watermark import NoTiledWatermark
from filters.not_blank import NotBlank
from filters.not_dark import NotDark
from filters.not_monochrome import NotMonochrome
from filters.not_overexposed import NotOverexposed
from filters.not_upscaled import NotUpscaled
from nano.evaluate.models import HELD_OUT
from nano.evaluate.plant_quality import FAULTS, stored
from nano.evaluate.run import markdown
from nano.evaluate.tmars import tmars_table
from nano.world.scenes import make_scene

SEED: Final = HELD_OUT["vlm"] + 700_000  # scenes that no other figure is measured on
SHORT_PX: Final = 640  # photographs are reduced to it, so that what their cameras did wrong is out of sight
EXPERTS: Final = (ImageFacts(), ImageQuality(), TiledWatermark())
FILTERS: Final[tuple[Filter, ...]] = (
    NotBlank(),
    NotDark(),
    NotOverexposed(),
    MinContrast(),
    MaxNoise(),
    MinSharpness(),
    NotUpscaled(),
    MinJpegQuality(),
    MaxBlockiness(),
    NotMonochrome(),
    NoTiledWatermark(),
)


def scenes(count: int) -> Iterator[Image.Image]:
    """Yield fresh scenes, drawn twice as large and reduced: their sprites are soft when they are enlarged.

    Those on a grainy ground are left out, whose grain is noise indeed.
    """
    drawn = (make_scene(SEED + i, (896, 672)) for i in range(2 * count))
    good = (image for image, scene in drawn if scene.background != "grainy")
    for image, _ in zip(good, range(count), strict=False):
        yield image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def photos(folder: Path, count: int) -> Iterator[Image.Image]:
    """Yield the images of a folder, one of each of its folders named `contents` (wallpapers in many sizes), reduced."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    one_each = {path.parents[2] if path.parents[1].name == "contents" else path: path for path in reversed(files)}
    for path in list(one_each.values())[:count]:
        image = Image.open(path).convert("RGB")
        scale = SHORT_PX / min(image.size)
        if scale <= 0.8:
            yield image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def spoiled(images: Sequence[Image.Image]) -> dict[str, pa.Table]:
    """Return what the experts measure on every image spoiled in each way, by the name of the fault."""
    tables = {}
    for fault in FAULTS:
        rng = random.Random(fault.name)
        made = [fault.make(image, rng) for image in images]
        samples = [(each if isinstance(each, bytes) else stored(each), None) for each in made]
        tables[fault.name] = measure(Pipeline(EXPERTS, FailureLimits(max_error_frac=None)), samples)
    return tables


def quality_table(tables: dict[str, pa.Table], values: bool) -> list[dict[str, Any]]:
    """Return a line per filter and fault."""
    lines = []
    for rule in FILTERS:
        name = type(rule).__name__
        good = np.concatenate([_dropped(rule, tables[fault.name]) for fault in FAULTS if not fault.filter])
        for fault in (fault for fault in FAULTS if fault.filter == name):
            bad = _dropped(rule, tables[fault.name])
            precision = bad.mean() / (bad.mean() + good.mean()) if bad.any() else 0.0
            line = {"filter": repr(rule), "fault": fault.name, "spoiled": len(bad), "recall": round(bad.mean(), 3)}
            line |= {"good": len(good), "good dropped": round(good.mean(), 3), "precision": round(precision, 3)}
            lines.append(line | (_quantiles(rule, tables, fault.name) if values else {}))
    return lines


def odd_table(tables: dict[str, pa.Table]) -> list[dict[str, Any]]:
    """Return which share of the good images of each kind each filter drops, where it is any."""
    kinds = [fault.name for fault in FAULTS if not fault.filter]
    lines = [
        {"filter": type(rule).__name__, **{kind: round(_dropped(rule, tables[kind]).mean(), 3) for kind in kinds}}
        for rule in FILTERS
    ]
    return [line for line in lines if any(value for value in line.values() if not isinstance(value, str))] or lines[:1]


def _dropped(rule: Filter, table: pa.Table) -> npt.NDArray[np.bool_]:
    return np.array([kept is not True for kept in rule.keep(table).to_pylist()])


def _quantiles(rule: Filter, tables: dict[str, pa.Table], fault: str) -> dict[str, str]:
    """Return 5, 50 and 95 % of each column that a filter reads, of the spoiled and of the good."""
    shown = {}
    for column in rule.needs:
        for label, name in (("spoiled", fault), ("good", "good JPEG")):
            known = tables[name][column].drop_null().to_numpy().astype(float)
            cuts = np.quantile(known, [0, 0.05, 0.5, 0.95, 1]) if len(known) else []
            shown[f"{column}, {label}"] = " / ".join(f"{value:.3g}" for value in cuts)
    return shown


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of good photographs, looked through with all its folders")
    parser.add_argument("--count", type=int, default=100, help="images at most")
    parser.add_argument("--values", action="store_true")
    parser.add_argument("--no-tmars", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    images = list(photos(args.photos, args.count) if args.photos else scenes(args.count))
    if not images:
        parser.error(f"no image of at least {SHORT_PX} px in {args.photos}")
    tables = spoiled(images)
    shown = {"Quality filters": quality_table(tables, args.values), "Good images dropped": odd_table(tables)}
    if not args.photos and not args.no_tmars:
        shown["T-MARS"] = tmars_table(args.count)
    for title, rows in shown.items():
        print(f"\n### {title}, {len(images)} images\n")
        print("\n".join(json.dumps(row) for row in rows) if args.values else markdown(rows))
    if args.json:
        args.json.write_text(json.dumps(shown, indent=1) + "\n")


if __name__ == "__main__":
    main()
