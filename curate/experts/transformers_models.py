"""Detectors of transformers: Apache-2.0, where ultralytics' AGPL-3.0 cannot be taken. Weights are safetensors only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curate.captions.questioning.nouns import one
from curate.errors import PlanError
from curate.experts.detections import Detection, Detector
from curate.experts.text_prompts import Found
from curate.models.extras import load_extra
from curate.models.loading import loading
from curate.models.weights import Weights
from curate.stages import Pixels

__all__ = ["Owl", "load_detector", "load_owl"]


def load_detector(weights: Weights, side: int, min_score: float, device: str) -> Detector:
    """Return a closed-set detector (RT-DETR, RF-DETR, DETR, D-FINE and others); its processor resizes, not `side`."""
    del side
    model, processor = _load("AutoModelForObjectDetection", weights, device)
    labels = model.config.id2label

    def detect(images: Sequence[Pixels]) -> list[list[Detection]]:
        import torch

        found: list[list[Detection]] = [[] for _ in images]
        for rows, pixels in _alike(processor, images):
            with torch.inference_mode():
                output = model(pixel_values=pixels.to(device))
            results = processor.post_process_object_detection(output, threshold=min_score)
            for row, result in zip(rows, results, strict=True):
                found[row] = _detections(result, labels)
        return found

    return detect


def _detections(result: dict[str, Any], labels: dict[int, str]) -> list[Detection]:
    edges = np.clip(result["boxes"].cpu().numpy().astype(np.float64), 0, 1).tolist()
    each = zip(edges, result["labels"].tolist(), result["scores"].tolist(), strict=True)
    return [Detection(labels[kind], (x0, y0, x1, y1), score) for (x0, y0, x1, y1), kind, score in each]


def _alike(processor: Any, images: Sequence[Pixels]) -> list[tuple[list[int], Any]]:
    """Return groups of rows and their pixels as the model wants them, float32[k, 3, h, w].

    Each image is processed for itself and only equal shapes share a batch: nothing is padded to its neighbours' size.
    """
    import torch

    groups: dict[tuple[int, ...], list[tuple[int, Any]]] = {}
    for row, image in enumerate(images):
        pixels = processor(images=image, return_tensors="pt")["pixel_values"]
        groups.setdefault(tuple(pixels.shape), []).append((row, pixels))
    return [([row for row, _ in group], torch.cat([pixels for _, pixels in group])) for group in groups.values()]


def load_owl(weights: Weights, min_score: float, device: str) -> "Owl":
    """Return OWLv2; raises PlanError for a model of another kind."""
    model, processor = _load("AutoModelForZeroShotObjectDetection", weights, device)
    if model.config.model_type != "owlv2":
        raise PlanError(f"OpenObjects: {weights.where} is a {model.config.model_type}; give an owlv2 or a yoloe")
    with loading(f"OpenObjects: {weights!r}"):
        tokenizer = load_extra("transformers", "detect-permissive").AutoTokenizer.from_pretrained(weights.path())
    return Owl(model, processor, tokenizer, device, min_score)


@dataclass(slots=True)
class Owl:
    """OWLv2 (Minderer et al. 2023, arXiv 2306.09683): the image is put into a grey square, at its top left."""

    model: Any
    processor: Any
    tokenizer: Any
    device: str
    min_score: float

    def embed(self, names: Sequence[str]) -> Any:
        """Return vectors of names, float32[n, d], asked for as "a photo of a dog"."""
        import torch

        texts = [f"a photo of {one(name)}" for name in names]
        length = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            return self.model.owlv2.get_text_features(
                input_ids=tokens["input_ids"].to(self.device), attention_mask=tokens["attention_mask"].to(self.device)
            ).pooler_output

    def detect(self, images: Sequence[Pixels], queries: Any) -> list[list[Found]]:
        """Return what is found of the names of each image, whose vectors are float32[b, n, d], zero past the last."""
        import torch

        each = [self.processor(images=image, return_tensors="pt")["pixel_values"] for image in images]
        pixels = torch.cat(each).to(self.device)
        with torch.inference_mode():
            places = self.model.image_embedder(pixels)[0]
            features = places.flatten(1, 2)
            logits = self.model.class_predictor(features, queries, queries.any(dim=-1))[0]
            boxes = self.model.box_predictor(features, places)
        found = zip(torch.sigmoid(logits).cpu(), boxes.cpu(), images, strict=True)
        return [self._found(scores, edges, image) for scores, edges, image in found]

    def _found(self, scores: Any, boxes: Any, image: Pixels) -> list[Found]:
        """Return the answers over the least score; boxes come as centre and size in fractions of the square."""
        height, width = image.shape[:2]
        x, y = (max(height, width) / side for side in (width, height))
        found = []
        for place, name in (scores >= self.min_score).nonzero().tolist():
            middle_x, middle_y, w, h = boxes[place].double().tolist()
            box = ((middle_x - w / 2) * x, (middle_y - h / 2) * y, (middle_x + w / 2) * x, (middle_y + h / 2) * y)
            found.append(Found(name, box, float(scores[place, name])))
        return found


def _load(kind: str, weights: Weights, device: str) -> tuple[Any, Any]:
    """Return a model by the name of its auto class, and its image processor."""
    library = load_extra("transformers", "detect-permissive")
    path = weights.path()
    with loading(f"transformers: {weights!r}"):
        model = getattr(library, kind).from_pretrained(path, use_safetensors=True, dtype="float32")
        processor = library.AutoImageProcessor.from_pretrained(path)
    return model.to(device).eval(), processor
