"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from curate.exports.formats import known_formats
from curate.recipe import known_recipes

__all__ = [
    "FORMATS",
    "RECIPES",
    "Address",
    "AllowEmpty",
    "Blur",
    "Buckets",
    "Budgets",
    "CalibrationFile",
    "CpuHour",
    "Dataset",
    "Encode",
    "Folder",
    "Gates",
    "GpuHour",
    "ImagesIn",
    "Inputs",
    "LabelFile",
    "Labels",
    "Licence",
    "Limit",
    "Local",
    "Machines",
    "MaxSide",
    "Models",
    "Parameters",
    "Picture",
    "PilotSamples",
    "PoolForm",
    "Quality",
    "RecipeName",
    "ReferenceDataset",
    "ReferenceFile",
    "ReferenceInputs",
    "ReferenceName",
    "RunId",
    "SavedBuckets",
    "Shuffle",
    "Split",
    "Wait",
    "Workers",
]

RECIPES = f"{', '.join(known_recipes())}, or path/to/file.py:function"
RecipeName = Annotated[str, typer.Argument(help=f"{RECIPES}.")]
Inputs = Annotated[list[str], typer.Option("--input", "-i", help="Tar, Parquet, folder, pattern or URL; may repeat.")]
Dataset = Annotated[str, typer.Option("--dataset", "-d", help="Dataset folder or fsspec URL; made if missing.")]
Folder = Annotated[str, typer.Argument(metavar="DATASET", help="Dataset folder or fsspec URL.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("-p", help="PATH=VALUE of a parameter or a stage; may repeat. `curate recipes RECIPE` lists them."),
]
Limit = Annotated[int | None, typer.Option("--limit", help="Take only the first N samples.")]
Address = Annotated[str | None, typer.Option("--address", help="Ray cluster, e.g. ray://head:10001 or auto.")]
FORMATS = "\n".join(f"{name:<16}{sentence}" for name, sentence in known_formats().items())
Local = Annotated[
    bool, typer.Option("--local", help="Work in this process, without Ray: for debuggers and small inputs.")
]
Wait = Annotated[
    bool, typer.Option("--wait-for-nodes", help="Wait for nodes where the cluster has too little, rather than stop.")
]
Models = Annotated[
    str | None,
    typer.Option("--models", envvar="CURATE_MODELS", help="Folder of `curate models --fetch`; no network then."),
]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Go on when none of the first samples is kept as far as the last stages.")
]
Licence = Annotated[
    Literal["any", "permissive"], typer.Option("--licences", help="Refuse models that are not permissively licensed.")
]
RunId = Annotated[str | None, typer.Option("--run", help="Run id; the newest by default.")]
ReferenceName = Annotated[str, typer.Option("--name", help="What hits are named by, e.g. imagenet-val.")]
ReferenceInputs = Annotated[
    list[str] | None, typer.Option("--input", "-i", help="Tar, Parquet, folder, pattern or URL; may repeat.")
]
ReferenceDataset = Annotated[
    str | None, typer.Option("--from-dataset", help="Take what its newest run measured, embeddings too.")
]
ReferenceFile = Annotated[Path, typer.Option("--to", metavar="FILE", help="Parquet file to write.")]

Buckets = Annotated[Path, typer.Argument(metavar="BUCKETS", help="TOML, JSON or CSV of buckets; docs/pools.md.")]
Budgets = Annotated[list[int], typer.Option("--samples-seen", help="Samples that the training sees; may repeat.")]
PoolForm = Annotated[
    Literal["paper", "repository"] | None, typer.Option("--form", help="Formula; what the file says, else paper.")
]
Picture = Annotated[Path | None, typer.Option("--picture", help="Draw the curves here: SVG, PNG or PDF.")]
SavedBuckets = Annotated[Path | None, typer.Option("--save", help="Write the fitted buckets here, as JSON.")]
Labels = Annotated[Path, typer.Argument(metavar="SET", help="JSONL or Parquet: image or uid, caption, labels.")]
CalibrationFile = Annotated[Path, typer.Option("--out", help="Write the calibration here; a gate reads it.")]
Gates = Annotated[
    list[str] | None, typer.Option("--gate", help="label:column:minimum; may repeat. The judge's two by default.")
]
LabelFile = Annotated[Path | None, typer.Option("--labels", metavar="FILE", help="Label samples into this file.")]
ImagesIn = Annotated[str | None, typer.Option("--dataset", "-d", help="Where images named by uid are.")]

Shuffle = Annotated[int | None, typer.Option("--shuffle", metavar="SEED", help="Shuffle shards and samples.")]
Split = Annotated[
    str | None, typer.Option("--split", help="train=0.98,val=0.01,test=0.01: by a hash of each sample's uid.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Processes that write, 1 without Ray; by default the size decides.")
]
MaxSide = Annotated[int | None, typer.Option("--max-side", metavar="PX", help="Make larger images this small.")]
Encode = Annotated[Literal["jpeg", "webp"] | None, typer.Option("--encode", help="Encode all images anew.")]
Quality = Annotated[int, typer.Option("--quality", help="Of images that are encoded anew, 1 to 100.")]
Blur = Annotated[str | None, typer.Option("--blur", help="faces, or the column of the boxes to blur.")]
PilotSamples = Annotated[
    int | None,
    typer.Option("--pilot", metavar="N", help="Measure N samples first, which count towards the run; 500 is usual."),
]
Machines = Annotated[
    str | None,
    typer.Option("--on", metavar="MACHINES", help="For a cluster like 4x64+8 (CPUs + GPUs), not for this machine."),
]
CpuHour = Annotated[float, typer.Option("--cpu-hour", help="Price of a CPU for an hour.")]
GpuHour = Annotated[float, typer.Option("--gpu-hour", help="Price of a GPU for an hour.")]
