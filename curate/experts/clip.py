"""Score how well image and alt text match."""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from curate.errors import PlanError
from curate.experts.clip_files import (
    HUB,
    check_model,
    config_file,
    needed_files,
    open_clip_tag,
    weights_file,
    with_local_texts,
)
from curate.experts.clip_text import TextTower, never_alone
from curate.models.device import torch_device
from curate.models.extras import check_extra, load_extra
from curate.models.known import clip_revision, pinned_revision
from curate.models.loaded import load_once
from curate.models.loading import loading
from curate.models.needed import Needed
from curate.models.shared import share_weights
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.clip import CLIP
from schemas.prefix import check_prefix, prefixed, repr_without_defaults

__all__ = ["Clip", "Towers", "load_towers"]

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
RESIZES = {"crop": "shortest", "squash": "squash", "model": None}
UNKNOWN_SIDE = 512  # for models that only a hub describes: no open_clip model reads more


@dataclass(frozen=True)
class Clip:
    """Add the cosine of image and alt text, and the image's embedding, by any open_clip model; `schemas.clip`.

    `model` is open_clip's name, the path of a model config in its JSON, or "hf-hub:owner/name"; `weights` is one of its
    pretrained tags, maybe as "tag@commit" of the repository on Hugging Face where open_clip finds it, or a local file
    (safetensors, or a checkpoint that loads without running code). `resize`: "crop" keeps the middle square,
    "squash" the whole image out of proportion, "model" does what the model's authors did. `precision` "auto" is bf16
    on CPUs and GPUs that compute in it, else fp32 on a CPU and fp16 on a GPU; scores are formed in fp32 and move by
    0.0005 on average. Texts longer than the model's context are read in up to 8 windows whose embeddings are averaged.
    `prefix` is put before the names of the columns, where a pipeline holds several scorers.
    `detail` times the model's image size is what decoding keeps of the shortest side: against a full decode scores
    move by 0.0017 on average at 1.5 and by 0.0034 at 1.0 (nano world, the sharpest edges there are).
    Source: CLIP (Radford et al. 2021, arXiv 2103.00020) as filter: LAION-400M (arXiv 2111.02114).
    """

    model: str = field(default="ViT-B-32-quickgelu", repr=False)
    weights: Weights = Weights("openai")
    resize: Literal["crop", "squash", "model"] = "model"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    detail: float = 1.5
    prefix: str = ""
    architecture: Weights = field(init=False)  # `model` with the digest of its config, as the identity wants it
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("alt_text",)
    resources: Resources = field(default=Resources(gpus="auto", batch_rows=64, gpu_gib=3.0), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise PlanError(f"Clip: resize={self.resize!r}: give one of {', '.join(RESIZES)}")
        if self.precision not in PRECISIONS:
            raise PlanError(f"Clip: precision={self.precision!r}: give one of {', '.join(PRECISIONS)}")
        if not 1 <= self.detail <= 16:
            raise PlanError(f"Clip: detail={self.detail}: give 1.0 to 16.0 times the model's image size")
        check_prefix(self.prefix)
        model, weights = Weights(self.model), self.weights
        if model.where.startswith(HUB) and not model.revision:
            model = Weights(model.where, pinned_revision(model.where.removeprefix(HUB)))
        elif not weights.is_local() and not weights.revision:
            weights = Weights(weights.where, clip_revision(model.where, weights.where))
        object.__setattr__(self, "architecture", model)
        object.__setattr__(self, "weights", weights)

    def __repr__(self) -> str:
        return repr_without_defaults(self, "prefix")

    @property
    def adds(self) -> pa.Schema:
        return prefixed(CLIP, self.prefix)

    @property
    def pixels(self) -> int:
        config = config_file(self.architecture)
        if config is None:
            return UNKNOWN_SIDE
        try:
            size: int | list[int] = json.loads(config.read_text(encoding="utf-8"))["vision_cfg"].get("image_size", 224)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise PlanError(f"Clip: {config} is not an open_clip model config: it has no vision_cfg") from error
        return math.ceil(self.detail * (max(size) if isinstance(size, list) else size))

    @property
    def models(self) -> tuple[Needed, ...]:
        return needed_files(self.architecture, self.weights)

    def pinned(self, pin: Callable[[Weights], Weights]) -> "Clip":
        """Return the expert with the commit of the repository where open_clip finds its weights."""
        first = next((needed.weights for needed in self.models), None)
        if first is None or first.is_local() or first.revision:
            return self
        revision = pin(first).revision
        if self.architecture.where.startswith(HUB):
            return dataclasses.replace(self, model=f"{self.architecture.where}@{revision}")
        return dataclasses.replace(self, weights=Weights(self.weights.where, revision))

    def check(self) -> None:
        check_extra("open_clip", "clip")
        check_model(self.architecture, self.weights)
        _ = self.pixels  # a config that cannot be read is told here

    def load(self) -> Scorer:
        towers = load_towers(self)

        def measure(batch: Batch) -> Measurement:
            import torch

            with torch.inference_mode():
                return _measure(batch, towers.images, towers.texts, self.adds.names)

        return measure

    def name(self) -> str:
        """Return the name by which open_clip knows the model once its config is registered."""
        if self.architecture.is_local():
            return self.architecture.path().stem
        if self.architecture.where.startswith(HUB):
            return f"local-dir:{self.models[0].weights.path()}"
        return self.architecture.where


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Towers:
    """The two halves of a loaded model."""

    images: "ImageTower"
    texts: TextTower


def load_towers(expert: Clip) -> Towers:
    """Return an expert's model, of which a process holds one however many stages use it; prefix and detail are none."""

    def load() -> Towers:
        model, device = _load_model(expert)
        return Towers(ImageTower(model, device), TextTower(model, _load_tokenizer(expert)))

    same = dataclasses.replace(expert, prefix="", detail=Clip.detail)
    towers: Towers = load_once(f"{same!r} on {expert.resources.gpus} gpus", load)
    return towers


def _load_model(expert: Clip) -> tuple[Any, str]:
    open_clip, torch = load_extra("open_clip", "clip"), load_extra("torch", "clip")
    device = torch_device("Clip", expert.resources.gpus, torch)
    config = expert.architecture.path() if expert.architecture.is_local() else None
    if (config := with_local_texts(expert.architecture) or config) is not None:
        open_clip.add_model_config(config)
    weights = str(expert.weights.path()) if expert.weights.is_local() else expert.weights.where
    if open_clip_tag(expert.architecture, expert.weights):  # a file in its entry is what open_clip loads for a tag
        open_clip.get_pretrained_cfg(expert.name(), weights)["file"] = str(weights_file(expert.models[0]))
    precision = _best_precision(torch, device) if expert.precision == "auto" else expert.precision
    preprocess = {"resize_mode": mode} if (mode := RESIZES[expert.resize]) else None
    with loading(f"Clip: {expert.model} with {expert.weights!r}"):
        model = open_clip.create_model(
            expert.name(), weights, precision=precision, device=device, force_preprocess_cfg=preprocess
        )
    if device == "cpu":
        share_weights(model, f"{expert!r} {open_clip.__version__} {precision}", "clip")
    return model.eval(), device


def _load_tokenizer(expert: Clip) -> Any:
    return load_extra("open_clip", "clip").get_tokenizer(expert.name())


def _best_precision(torch: Any, device: str) -> str:
    """Return the fastest precision that the device computes in; emulated bf16 is slower than fp32."""
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    flags: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if flags.get("avx512_bf16") or flags.get("amx_bf16") else "fp32"


class ImageTower:
    """The image half of an open_clip model with its own resizing, mean and deviation."""

    def __init__(self, model: Any, device: str) -> None:
        import open_clip
        import torch

        config = open_clip.get_model_preprocess_cfg(model)
        size: int | Sequence[int] = config["size"]
        self.model, self.device = model, device
        self.height, self.width = (size, size) if isinstance(size, int) else (int(size[-2]), int(size[-1]))
        if config.get("resize_mode") == "longest":
            raise PlanError("Clip: the model pads its images, which is not supported; give resize='crop' or 'squash'")
        self.squash = config.get("resize_mode", "shortest") == "squash"
        bilinear = config.get("interpolation") == "bilinear"
        self.kernel = Image.Resampling.BILINEAR if bilinear else Image.Resampling.BICUBIC
        self.kind = model.visual.conv1.weight.dtype if hasattr(model.visual, "conv1") else _kind(model.visual)
        self.mean = 255 * torch.tensor(config["mean"], device=device).view(1, 3, 1, 1)
        self.deviation = 255 * torch.tensor(config["std"], device=device).view(1, 3, 1, 1)

    def encode(self, images: Sequence[Pixels]) -> Any:
        """Return float32[n, d] unit vectors."""
        import torch

        pixels = torch.from_numpy(np.stack([self.fit(image) for image in images])).to(self.device)
        normal = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.deviation
        vectors = self.model.encode_image(never_alone(normal.to(self.kind)))[: len(images)]
        return torch.nn.functional.normalize(vectors.float(), dim=-1)

    def fit(self, image: Pixels) -> npt.NDArray[np.uint8]:
        """Return uint8[height, width, 3] as open_clip's own inference transform does."""
        height, width = image.shape[:2]
        size = (self.width, self.height)
        if not self.squash:
            scale = max(self.width / width, self.height / height)
            size = (max(self.width, int(width * scale)), max(self.height, int(height * scale)))
        picture = Image.fromarray(image)
        if picture.size != size:
            picture = picture.resize(size, self.kernel)
        left, top = round((size[0] - self.width) / 2), round((size[1] - self.height) / 2)
        return np.asarray(picture)[top : top + self.height, left : left + self.width]


def _kind(module: Any) -> Any:
    return next(module.parameters()).dtype


def _measure(batch: Batch, image_tower: ImageTower, text_tower: TextTower, names: Sequence[str]) -> Measurement:
    """Return the columns of `schemas.clip` under the names that are given, in its order."""
    vectors = image_tower.encode(batch.images)
    alt_texts = batch.table["alt_text"].to_pylist()
    written = [i for i, text in enumerate(alt_texts) if text and text.strip()]
    scores: list[float | None] = [None] * len(batch)
    windows: list[int | None] = [None] * len(batch)
    if written:
        text_vectors, counts = text_tower.encode([alt_texts[i] for i in written])
        cosines = (vectors[written] * text_vectors).sum(dim=-1).tolist()
        for i, cosine, count in zip(written, cosines, counts, strict=True):
            scores[i], windows[i] = cosine, count
    half = vectors.cpu().numpy().astype(np.float16)
    offsets = pa.array(np.arange(len(half) + 1, dtype=np.int32) * half.shape[1])
    embeddings = pa.ListArray.from_arrays(offsets, pa.array(half.ravel(), pa.float16()))
    return Measurement(dict(zip(names, (scores, embeddings, windows), strict=True)))
