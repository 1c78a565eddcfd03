"""Look at checkpoints without loading or running them, to see whether they are of the kind that is wanted."""

import json
import pickletools
import zipfile
from pathlib import Path
from typing import Any, Final

from curate.errors import PlanError
from curate.models.known import known_names
from curate.models.names import hub_of
from curate.models.near import did_you_mean
from curate.models.package_lists import ultralytics_files
from curate.models.weights import Weights

__all__ = ["check_chat_model", "check_hub_id", "check_open_clip", "check_ultralytics", "ultralytics_weights"]

BOXLESS: Final = {
    "ClassificationModel": "classifies whole images",
    "OBBModel": "finds rotated boxes",
    "SemanticSegmentationModel": "labels pixels",
    "DepthModel": "measures depth",
}
BOXLESS_NAMES: Final = ("-cls", "-obb", "-sem", "-depth", "-reid")
MOST_HEADER: Final = 100 << 20


def ultralytics_weights(weights: Weights) -> Weights:
    """Return weights whose name is that of a file: "yolo11x" stands for yolo11x.pt."""
    name = weights.where
    return weights if weights.is_local() or hub_of(name) or "/" in name else Weights(f"{name}.pt", weights.revision)


def check_ultralytics(stage: str, weights: Weights) -> None:
    """Raise PlanError unless weights are a detector of ultralytics: by name, or by the classes that a file names."""
    if weights.is_local():
        _check_ultralytics_file(stage, weights.path())
        return
    name, files = weights.where, ultralytics_files()
    if hub_of(name) == "url":
        return
    if files and name not in files:
        raise PlanError(f"{stage}: ultralytics publishes no {name}, and no such file exists{did_you_mean(name, files)}")
    if any(ending in name for ending in BOXLESS_NAMES) or name.startswith(
        ("sam", "mobile_sam", "FastSAM", "mobileclip")
    ):
        raise PlanError(f"{stage}: {name} is no detector; give a detection checkpoint such as yolo11x.pt")


def check_hub_id(stage: str, weights: Weights) -> None:
    """Raise PlanError unless a name has the form of a hub's id, owner/name."""
    name = weights.where
    if hub_of(name) == "huggingface":
        return
    known = known_names()
    full = [each for each in known if each.rpartition("/")[2].casefold() == name.casefold()]
    near = f", did you mean {full[0]}?" if full else did_you_mean(name, known)
    raise PlanError(f"{stage}: {name!r} is neither a folder here nor a model of a hub (owner/name){near}")


def check_chat_model(weights: Weights) -> None:
    """Raise PlanError unless weights are a folder with a transformers config and all its weights, or a hub's id."""
    if not weights.is_local():
        check_hub_id("engine", weights)
        return
    path = weights.path()
    if not path.is_dir():
        raise PlanError(f"engine: {path} is a file; vLLM loads a folder with config.json and safetensors")
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except OSError:
        raise PlanError(f"engine: {path} has no config.json, so it is no model that vLLM loads") from None
    except ValueError as error:
        raise PlanError(f"engine: {path}/config.json is not JSON: {error}") from error
    if not isinstance(config, dict) or not config.get("architectures"):
        raise PlanError(f"engine: {path}/config.json names no architectures, so it is no model that vLLM loads")
    if missing := missing_shards(path):
        raise PlanError(f"engine: {path} lacks {missing[0]} ({len(missing)} of its files); copy the folder again")


def missing_shards(folder: Path) -> list[str]:
    """Return the files that the index of a folder's weights names and that are not there."""
    missing: list[str] = []
    for index in sorted(folder.glob("*.safetensors.index.json")):
        try:
            names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        except (ValueError, LookupError, AttributeError) as error:
            raise PlanError(f"{index} is no index of weights: {error}") from error
        missing += sorted({str(name) for name in names if not (folder / str(name)).is_file()})
    return missing


def check_open_clip(path: Path, config: Path) -> None:
    """Raise PlanError if a safetensors file holds the weights of another model than an open_clip config describes.

    It compares the shapes that tell models apart, in the file's header; other kinds of file are compared when loaded.
    """
    if path.suffix != ".safetensors":
        return
    shapes = {name: entry["shape"] for name, entry in safetensors_header(path).items() if name != "__metadata__"}
    if "logit_scale" not in shapes:
        raise PlanError(
            f"Clip: {path} holds no open_clip model: it has no logit_scale, but {len(shapes)} other tensors"
        )
    expected = _clip_shapes(json.loads(config.read_text(encoding="utf-8")))
    for name, shape in expected.items():
        if name in shapes and shapes[name] != shape:
            raise PlanError(
                f"Clip: {path} is of another model than {config.stem}: {name} is {shapes[name]}, not {shape}"
            )


def safetensors_header(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file: dtype, shape and offsets by tensor; raises PlanError for others."""
    length, header = 0, None
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length)) if length <= MOST_HEADER else None
    except (OSError, ValueError):
        pass
    if not isinstance(header, dict) or not all(isinstance(entry, dict) for entry in header.values()):
        raise PlanError(f"{path} is no safetensors file, or it was cut off; copy it again")
    end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    if path.stat().st_size < 8 + length + end:
        raise PlanError(
            f"{path} was cut off: it has {path.stat().st_size:,} bytes of {8 + length + end:,}; copy it again"
        )
    return header


def _clip_shapes(config: dict[str, Any]) -> dict[str, list[int]]:
    vision, texts = config["vision_cfg"], config.get("text_cfg", {})
    shapes: dict[str, list[int]] = {}
    if isinstance(vision.get("layers"), int) and "patch_size" in vision and "timm_model_name" not in vision:
        patch = vision["patch_size"]
        shapes["visual.conv1.weight"] = [int(vision.get("width", 768)), 3, patch, patch]
    if {"width", "vocab_size"} <= set(texts) and "hf_model_name" not in texts:
        for prefix in ("", "text."):
            shapes[f"{prefix}token_embedding.weight"] = [texts["vocab_size"], texts["width"]]
            shapes[f"{prefix}text_projection"] = [texts["width"], int(config["embed_dim"])]
    return shapes


def _check_ultralytics_file(stage: str, path: Path) -> None:
    if path.suffix != ".pt":
        return  # an exported model: ultralytics says what it can do when it loads it
    classes = pickled_classes(path)
    own = [name for module, name in classes if module.startswith(("ultralytics.", "models."))]
    if not own:
        raise PlanError(f"{stage}: {path} is no checkpoint of ultralytics: it holds none of its classes")
    for name in own:
        if name in BOXLESS:
            raise PlanError(
                f"{stage}: {path} is no detector, it {BOXLESS[name]} ({name}); give a detector such as yolo11x.pt"
            )


def pickled_classes(path: Path) -> list[tuple[str, str]]:
    """Return (module, name) of the classes that a PyTorch checkpoint names, in order, without unpickling it.

    Raises PlanError if it is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inner = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            data = archive.read(inner)
        operations = [(code.name, value) for code, value, _ in pickletools.genops(data)]
    except (OSError, zipfile.BadZipFile, StopIteration, ValueError) as error:
        raise PlanError(f"{path} is no PyTorch checkpoint, or it was cut off; copy it again") from error
    classes, strings = [], [""]
    for name, value in operations:
        if name == "GLOBAL":
            module, _, kind = str(value).partition(" ")
            classes.append((module, kind))
        elif name == "STACK_GLOBAL" and len(strings) > 1:
            classes.append((strings[-2], strings[-1]))
        elif isinstance(value, str):
            strings.append(value)
    return list(dict.fromkeys(classes))
