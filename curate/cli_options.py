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
    "Dataset",
    "Folder",
    "Inputs",
    "Licence",
    "Limit",
    "Local",
    "Models",
    "Parameters",
    "RecipeName",
    "ReferenceFile",
    "ReferenceName",
    "RunId",
    "Wait",
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
ReferenceFile = Annotated[Path, typer.Option("--to", metavar="FILE", help="Parquet file to write.")]
