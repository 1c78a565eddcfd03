"""Write the golden files, on purpose and never in passing: a change of one is a change of what users have on disk.

    python -m tests.golden.make stages                       # the ids of all recipes with their defaults
    python -m tests.golden.make quickstart DATASET EXPORT    # a finished `make quickstart` and its webdataset export

`quickstart.json` was made from the code of commit bfa68ae, before the modules of `curate/` moved into rooms. A change
that should not change the bytes must not write it anew.
"""

import hashlib
import json
import os
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curate.recipe import build, find_recipe, known_recipes
from curate.stages import Measures, stage_id

__all__ = ["GOLDEN", "machine", "quickstart_record", "recipe_ids"]

GOLDEN = Path(__file__).parent
TELLING = {"README.md", "croissant.json", "index.json"}
"""Files with versions of packages, and names, sizes and digests of tars, which are compared themselves."""
TEXTS = {"dense_caption": ("caption",), "preference_pair": ("pair_chosen", "pair_rejected")}
FLAGS = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx_vnni")
"""Instruction sets by which torch, oneDNN and onnxruntime choose their kernels, beside torch's own capability."""


def recipe_ids(name):
    """Return the ids of the stages and of the verdict of a recipe with its defaults."""
    pipeline, _ = build(find_recipe(name), [])
    stages = [stage_id(stage) if isinstance(stage, Measures) else repr(stage) for stage in pipeline.stages]
    return {"stages": stages, "verdict": pipeline.verdict_id()}


def machine():
    """Return what the low-order bits of a model depend on: equal machines give equal texts and equal bytes."""
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next(line for line in lines if line.startswith("flags")).split()
    return {
        "capability": torch.backends.cpu.get_cpu_capability(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
    }


def quickstart_record(dataset, export):
    """Return what the golden test compares, read by pyarrow and tarfile alone: the files are the contract."""
    (manifest,) = (json.loads(path.read_text()) for path in (dataset / "runs").glob("*.json"))
    verdict = cells(dataset, manifest["verdict"]).to_pylist()
    return {
        "run": manifest["id"],
        "verdict": manifest["verdict"],
        "stages": [stage["id"] or stage["repr"] for stage in manifest["stages"]],
        "verdicts": {row["uid"]: row["error"] or row["dropped_by"] or "kept" for row in verdict},
        "texts": texts(dataset, manifest["stages"]),
        "images": images(export),
        "export": {str(path.relative_to(export)): digest(path.read_bytes()) for path in shipped(export)},
    }


def shipped(export):
    """Return the paths of what a trainer reads of an export: not Curate's own files, nor what tells of the others."""
    return [
        path
        for path in files_of(export)
        if ".curate" not in path.relative_to(export).parts and path.name not in TELLING
    ]


def files_of(folder):
    """Return the paths of all files in a folder and in those below it, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def cells(dataset, stage):
    """Return the rows of a stage of all shards, in the order of the shards' names."""
    files = sorted((dataset / "columns" / stage).glob("*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files])


def texts(dataset, stages):
    """Return what models wrote, by column and uid; samples without such a text are left out."""
    written = {}
    for stage in stages:
        for column in TEXTS.get(stage["name"], ()):
            rows = cells(dataset, stage["id"]).select(["uid", column]).to_pylist()
            written[column] = {row["uid"]: row[column] for row in rows if row[column] is not None}
    return written


def images(export):
    """Return a digest of the image of every exported sample, by uid."""
    digests = {}
    for path in sorted(export.glob("*.tar")):
        with tarfile.open(path) as tar:
            members = (member for member in tar if not member.name.endswith((".txt", ".json")))
            digests |= {member.name.partition(".")[0]: digest(tar.extractfile(member).read()) for member in members}
    return digests


def digest(data):
    """Return 16 hexadecimal digits over some bytes."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def main(arguments):
    """Write one golden file."""
    match arguments:
        case ["stages"]:
            name, value = "stage_ids.json", {name: recipe_ids(name) for name in known_recipes()}
        case ["quickstart", dataset, export]:
            name = "quickstart.json"
            value = {"machine": machine(), **quickstart_record(Path(dataset), Path(export))}
        case _:
            raise SystemExit(__doc__)
    (GOLDEN / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
