"""Find the OCR weights, and lay them out as PaddleOCR wants them."""

import functools
import hashlib
import importlib.util
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curate.errors import PlanError
from curate.models.cache import cached
from curate.models.extras import load_extra
from curate.models.weights import Weights

__all__ = ["OcrModel", "bundled", "on_hub", "resolve"]

Part = Literal["det", "rec"]

DETECT = {
    "PreProcess": {
        "transform_ops": [
            {"DetResizeForTest": {"limit_side_len": 736, "limit_type": "min"}},  # overridden at every call
            {
                "NormalizeImage": {
                    "mean": [0.485, 0.456, 0.406],
                    "std": [0.229, 0.224, 0.225],
                    "scale": "1./255.",
                    "order": "hwc",
                }
            },
            {"ToCHWImage": None},
            {"KeepKeys": {"keep_keys": ["image", "shape", "polys", "ignore_tags"]}},
        ]
    },
    "PostProcess": {
        "name": "DBPostProcess",
        "thresh": 0.3,
        "box_thresh": 0.6,
        "max_candidates": 1000,
        "unclip_ratio": 1.5,
    },
}
RECOGNISE = {
    "PreProcess": {
        "transform_ops": [
            {"DecodeImage": {"img_mode": "BGR", "channel_first": False}},
            {"RecResizeImg": {"image_shape": [3, 48, 320]}},
        ]
    },
}


@dataclass(frozen=True, slots=True)
class OcrModel:
    """A model as PaddleOCR takes it: its name and its folder."""

    name: str
    folder: str


def bundled(part: Part) -> Weights:
    """Return the PP-OCRv6 small weights of the installed rapidocr wheel, or their hub name if it is not installed."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        return Weights(f"PP-OCRv6_small_{part}")
    return Weights(str(Path(spec.origin).parent / "models" / f"PP-OCRv6_{part}_small.onnx"))


def on_hub(weights: Weights) -> Weights:
    """Return weights as the hub knows them: PaddleOCR's names stand for repositories of PaddlePaddle."""
    if weights.is_local() or "/" in weights.where:
        return weights
    return Weights(f"PaddlePaddle/{weights.where}", weights.revision)


def resolve(weights: Weights, part: Part) -> OcrModel:
    """Return what PaddleOCR needs for `weights`: a PaddleX model folder, an .onnx file of rapidocr, or a hub name.

    An .onnx file is laid out as a model folder in the cache, once. Raises PlanError for any other file.
    """
    if not weights.is_local():
        return OcrModel(weights.where, str(on_hub(weights).path()))
    path = weights.path()
    if path.is_dir():
        return OcrModel(_name_in(path), str(path))
    match = re.fullmatch(rf"(PP-OCRv\d+)_{part}_(\w+)\.onnx", path.name)
    if match is None:
        raise PlanError(f"{path}: give a PaddleX model folder, a hub name, or rapidocr's PP-OCRv6_{part}_small.onnx")
    name = f"{match[1]}_{match[2]}_{part}"
    layout = hashlib.blake2b(f"{weights!r} {DETECT} {RECOGNISE}".encode(), digest_size=8).hexdigest()
    folder = cached(f"ocr/{name}-{layout}", functools.partial(_write_folder, onnx=path, name=name, part=part))
    return OcrModel(name, str(folder))


def _write_folder(folder: Path, *, onnx: Path, name: str, part: Part) -> None:
    yaml: Any = load_extra("yaml", "ocr")
    spec: dict[str, Any] = {"Global": {"model_name": name}, **(DETECT if part == "det" else RECOGNISE)}
    if part == "rec":
        spec["PostProcess"] = {"name": "CTCLabelDecode", "character_dict": _characters(onnx)}
    shutil.copyfile(onnx, folder / "inference.onnx")
    (folder / "inference.yml").write_text(yaml.safe_dump(spec, allow_unicode=True), encoding="utf-8")


def _characters(onnx: Path) -> list[str]:
    """Return the recogniser's alphabet, which rapidocr keeps in the model's metadata."""
    session = load_extra("onnxruntime", "ocr").InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    alphabet: str = session.get_modelmeta().custom_metadata_map["character"]
    return alphabet.split("\n")


def _name_in(folder: Path) -> str:
    spec = folder / "inference.yml"
    if not spec.is_file():
        raise PlanError(f"{folder} is not a PaddleX model folder: it has no inference.yml")
    yaml: Any = load_extra("yaml", "ocr")
    return str(yaml.safe_load(spec.read_text(encoding="utf-8"))["Global"]["model_name"])
