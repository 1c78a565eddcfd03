"""Score how well image and alt text match."""

import importlib.util
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from curate.errors import PlanError
from curate.experts.clip_text import TextTower, never_alone
from curate.models.extras import check_extra, load_extra
from curate.models.loading import loading
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.clip import CLIP

__all__ = ["Clip"]

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
RESIZES = {"crop": "shortest", "squash": "squash", "model": None}
UNKNOWN_SIDE = 512  # for models that only a hub describes: no open_clip model reads more


@dataclass(frozen=True)
class Clip:
    """Add the cosine of image and alt text, and the image's embedding, by any open_clip model; `schemas.clip`.

    `model` is open_clip's name or the path of a model config in its JSON; `weights` is one of its pretrained tags or a
    local file (safetensors, or a checkpoint that loads without running code). `resize`: "crop" keeps the middle square,
    "squash" the whole image out of proportion, "model" does what the model's authors did. `precision` "auto" is bf16
    on CPUs and GPUs that compute in it, else fp32 on a CPU and fp16 on a GPU; scores are formed in fp32 and move by
    0.0005 on average. Texts longer than the model's context are read in up to 8 windows whose embeddings are averaged.
    `detail` times the model's image size is what decoding keeps of the shortest side: against a full decode scores
    move by 0.0017 on average at 1.5 and by 0.0034 at 1.0 (nano world, the sharpest edges there are).
    Source: CLIP (Radford et al. 2021, arXiv 2103.00020) as filter: LAION-400M (arXiv 2111.02114).
    """

    model: str = field(default="ViT-B-32", repr=False)
    weights: Weights = Weights("openai")
    resize: Literal["crop", "squash", "model"] = "model"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    detail: float = 1.5
    architecture: Weights = field(init=False)  # `model` with the digest of its config, as the identity wants it
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("alt_text",)
    adds: ClassVar[pa.Schema] = CLIP
    resources: Resources = field(default=Resources(batch_rows=64), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise PlanError(f"Clip: resize={self.resize!r}: give one of {', '.join(RESIZES)}")
        if self.precision not in PRECISIONS:
            raise PlanError(f"Clip: precision={self.precision!r}: give one of {', '.join(PRECISIONS)}")
        if not 1 <= self.detail <= 16:
            raise PlanError(f"Clip: detail={self.detail}: give 1.0 to 16.0 times the model's image size")
        object.__setattr__(self, "architecture", Weights(self.model))

    @property
    def pixels(self) -> int:
        config = self._config()
        if config is None:
            return UNKNOWN_SIDE
        try:
            size: int | list[int] = json.loads(config.read_text(encoding="utf-8"))["vision_cfg"].get("image_size", 224)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise PlanError(f"Clip: {config} is not an open_clip model config: it has no vision_cfg") from error
        return math.ceil(self.detail * (max(size) if isinstance(size, list) else size))

    def check(self) -> None:
        check_extra("open_clip", "clip")
        if self.weights.is_local():
            self.weights.path()
        if self._config() is None and not self.model.startswith(("hf-hub:", "local-dir:")):
            raise PlanError(f"Clip: open_clip has no model {self.model!r}, and no such config file exists")
        _ = self.pixels  # a config that cannot be read is told here

    def load(self) -> Scorer:
        model, device = _load_model(self)
        texts = TextTower(model, _load_tokenizer(self))
        images = ImageTower(model, device)

        def measure(batch: Batch) -> Measurement:
            import torch

            with torch.inference_mode():
                return _measure(batch, images, texts)

        return measure

    def name(self) -> str:
        """Return the name by which open_clip knows the model once its config is registered."""
        return self.architecture.path().stem if self.architecture.is_local() else self.model

    def _config(self) -> Path | None:
        """Return the model's JSON: the user's, or the one in the open_clip package; None if there is none."""
        if self.architecture.is_local():
            return self.architecture.path()
        spec = importlib.util.find_spec("open_clip")
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / "model_configs" / f"{self.model.replace('/', '-')}.json"
        return path if path.is_file() else None


def _load_model(expert: Clip) -> tuple[Any, str]:
    open_clip, torch = load_extra("open_clip", "clip"), load_extra("torch", "clip")
    device = "cuda" if expert.resources.gpus and torch.cuda.is_available() else "cpu"
    if expert.architecture.is_local():
        open_clip.add_model_config(expert.architecture.path())
    weights = str(expert.weights.path()) if expert.weights.is_local() else expert.weights.where
    precision = _best_precision(torch, device) if expert.precision == "auto" else expert.precision
    preprocess = {"resize_mode": mode} if (mode := RESIZES[expert.resize]) else None
    with loading(f"Clip: {expert.model} with {expert.weights!r}"):
        model = open_clip.create_model(
            expert.name(), weights, precision=precision, device=device, force_preprocess_cfg=preprocess
        )
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


def _measure(batch: Batch, image_tower: ImageTower, text_tower: TextTower) -> Measurement:
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
    return Measurement({"clip_score": scores, "clip_embedding": embeddings, "clip_text_windows": windows})
