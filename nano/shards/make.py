"""Write WebDataset shards of the emojiworld with a truth file: the quickstart's input and the evaluation's.

    python -m nano.shards.make --out nano/shards --count 300 --seed 7     # what is committed: with planted defects
    python -m nano.shards.make --out out/held-out --count 256 --clean     # true images, no defects

The layout is img2dataset's: a nine-digit key and the members jpg (or png, gif), txt and json. Equal arguments and
versions give equal bytes. `truth.jsonl` has one line per sample, in order.
"""

import argparse
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from nano.shards.planting import PLANTS, Plant
from nano.shards.samples import Sample, clean_sample, hidden_sign_sample, retold

__all__ = ["draw_clean", "make_samples", "scene_seed", "write_shards"]

HELD_OUT = 5_000_000_000_000  # no training script draws these seeds
PER_SEED = 10_000_000
PER_SHARD = 100


def scene_seed(seed: int, number: int) -> int:
    """Return the seed of a sample's scene; different `--seed`s share no scene."""
    return HELD_OUT + seed * PER_SEED + number


def make_samples(count: int, seed: int) -> list[Sample]:
    """Draw samples with defects planted in fixed shares, in an order that depends on the seed."""
    plan = plan_plants(count, random.Random(f"plan/{seed}"))
    rngs = [random.Random(f"sample/{seed}/{number}") for number in range(count)]
    samples = [clean_sample(scene_seed(seed, number), rngs[number]) for number in range(count)]
    untouched = iter(sorted(set(range(count)) - set(plan)))
    for number, plant in sorted(plan.items()):
        original = next(untouched) if plant.repeats else None
        sample = samples[number] if original is None else retold(samples[original], rngs[number])
        sample = plant.apply(sample, rngs[number])
        samples[number] = replace(sample, planted=plant.name, expected=plant.expected, original=original)
    return samples


def draw_clean(count: int, first: int) -> list[Sample]:
    """Draw the scenes of `count` seeds from `first` on, without defects; alt texts tell neither places nor signs."""
    return [hidden_sign_sample(seed, random.Random(f"clean/{seed}")) for seed in range(first, first + count)]


def plan_plants(count: int, rng: random.Random) -> dict[int, Plant]:
    """Choose which samples become what; a good third stays clean."""
    free = list(range(count))
    rng.shuffle(free)
    plan: dict[int, Plant] = {}
    for plant in sorted(PLANTS, key=lambda plant: plant.name != "duplicate_key"):  # the choosy one first
        fit = [number for number in free if plant.name != "duplicate_key" or number % PER_SHARD >= 2]
        for number in fit[: round(plant.count * count / 300)]:
            plan[number] = plant
            free.remove(number)
    return plan


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample lies: tar file, row in it, key."""

    tar: str
    row: int
    key: str


def places(samples: Sequence[Sample]) -> list[Place]:
    """Give every sample a place; a planted duplicate key repeats the one of two samples before."""
    found: list[Place] = []
    for number, sample in enumerate(samples):
        shard, row = divmod(number, PER_SHARD)
        key = found[number - 2].key if sample.planted == "duplicate_key" else f"{shard:05d}{row:04d}"
        found.append(Place(f"world-{shard:06d}.tar", row, key))
    return found


def write_shards(out: Path, samples: Sequence[Sample]) -> None:
    """Write the tars and `truth.jsonl`; shards of an earlier call are removed."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("world-*.tar"):
        old.unlink()
    at = places(samples)
    for first in range(0, len(samples), PER_SHARD):
        with tarfile.open(out / at[first].tar, "w", format=tarfile.USTAR_FORMAT) as tar:
            for sample, place in zip(samples[first : first + PER_SHARD], at[first:], strict=False):
                for name, data in members(sample, place.key):
                    entry = tarfile.TarInfo(name)  # mtime 0, owner 0, mode 0644
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
    lines = [
        json.dumps(truth_line(sample, place, at), ensure_ascii=False) for sample, place in zip(samples, at, strict=True)
    ]
    (out / "truth.jsonl").write_text("\n".join(lines) + "\n")


def members(sample: Sample, key: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a sample."""
    if sample.image is not None:
        yield f"{key}.{sample.extension}", sample.image
    if sample.text is not None:
        yield f"{key}.txt", sample.text
    yield f"{key}.json", json.dumps(metadata(sample, key), ensure_ascii=False).encode()


def metadata(sample: Sample, key: str) -> dict[str, Any]:
    """Return img2dataset's fields; sizes are null where there is no readable image."""
    width, height = upright_size(sample)
    return {
        "url": f"https://emojiworld.example/{key}.{sample.extension}",
        "caption": None if sample.text is None else sample.text.decode(errors="replace"),
        "key": key,
        "status": "success",
        "error_message": None,
        "width": width,
        "height": height,
        "original_width": width,
        "original_height": height,
        "exif": "{}",
        "sha256": None if sample.image is None else hashlib.sha256(sample.image).hexdigest(),
    }


def upright_size(sample: Sample) -> tuple[int | None, int | None]:
    """Return width and height in px as shown, or nulls."""
    if sample.scene is None or sample.image is None:
        return None, None
    with Image.open(io.BytesIO(sample.image)) as image:
        return ImageOps.exif_transpose(image).size


def truth_line(sample: Sample, place: Place, at: Sequence[Place]) -> dict[str, Any]:
    """Return what is true of a sample; `scene` is in pixels of the image as drawn, before any reduction."""
    original = None if sample.original is None else at[sample.original]
    return {
        "tar": place.tar,
        "row": place.row,
        "key": place.key,
        "alt_kind": sample.alt_kind,
        "planted": sample.planted,
        "expected": list(sample.expected),
        "duplicate_of": original and [original.tar, original.row],
        "scene": sample.scene and sample.scene.to_dict(),
    }


def main() -> None:
    """Write shards from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--clean", action="store_true", help="plant nothing; alt texts tell neither places nor signs")
    args = parser.parse_args()
    clean = args.clean
    samples = draw_clean(args.count, scene_seed(args.seed, 0)) if clean else make_samples(args.count, args.seed)
    write_shards(args.out, samples)
    size = sum(path.stat().st_size for path in args.out.glob("world-*.tar"))
    print(f"{len(samples)} samples, {size / 1e6:.1f} MB in {args.out}")


if __name__ == "__main__":
    main()
