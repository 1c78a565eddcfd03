"""Classifiers of whole images through transformers: the probability of some of their classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from curate.errors import PlanError
from curate.experts.embedding_head import PictureScores
from curate.models.checkpoints import check_hub_id
from curate.models.device import torch_device
from curate.models.extras import check_extra, load_extra
from curate.models.loading import loading
from curate.models.weights import Weights
from curate.stages import Batch, Pixels, Resources

__all__ = ["Classifier"]


@dataclass(frozen=True)
class Classifier:
    """An image classifier of transformers, by hub name or folder; the score is the sum of the named classes.

    `labels` are names of its classes, as its config has them, in any case. The model resizes images itself; `pixels`
    is the shortest side that decoding keeps for it. Weights are safetensors only.
    """

    weights: Weights
    labels: tuple[str, ...] = ("nsfw",)
    pixels: int = 224

    def __post_init__(self) -> None:
        if not self.labels:
            raise PlanError("Classifier: labels is empty; name at least one class of the model")
        if self.pixels < 1:
            raise PlanError(f"Classifier: pixels={self.pixels}: give the shortest side in px, 1 or more")

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    def check(self, stage: str) -> None:
        """Raise PlanError if transformers is missing, or if this is no folder of a model and no name of a hub."""
        check_extra("transformers", "detect-permissive")
        if not self.weights.is_local():
            check_hub_id(stage, self.weights)
        elif not (self.weights.path() / "config.json").is_file():
            raise PlanError(f"{stage}: {self.weights.where} has no config.json, so it is no model of transformers")

    def load_scores(self, stage: str, resources: Resources) -> PictureScores:
        torch, library = load_extra("torch", "detect-permissive"), load_extra("transformers", "detect-permissive")
        device, path = torch_device(stage, resources.gpus, torch), self.weights.path()
        with loading(f"{stage}: {self.weights!r}"):
            model = library.AutoModelForImageClassification.from_pretrained(path, use_safetensors=True, dtype="float32")
            processor = library.AutoImageProcessor.from_pretrained(path)
        model = model.to(device).eval()
        at = _places(stage, self.labels, dict(model.config.id2label))

        def scores(batch: Batch) -> list[float | None]:
            images: Sequence[Pixels] = batch.images
            pixels = processor(images=list(images), return_tensors="pt")["pixel_values"].to(device)
            with torch.inference_mode():
                shares = torch.softmax(model(pixel_values=pixels).logits.float(), dim=-1)
            values: list[float | None] = shares[:, at].sum(dim=-1).tolist()
            return values

        return scores


def _places(stage: str, labels: Sequence[str], names: dict[int, str]) -> list[int]:
    """Return the outputs of some classes; raises PlanError naming one that the model does not have."""
    known = {name.casefold(): int(place) for place, name in names.items()}
    for label in labels:
        if label.casefold() not in known:
            raise PlanError(f"{stage}: the model has no class {label!r}; its classes are {', '.join(names.values())}")
    return sorted({known[label.casefold()] for label in labels})
