"""Small networks on an embedding that is there already: linear probes and MLPs, in numpy."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from curate.errors import ContractError, PlanError
from curate.models.extras import check_extra, load_extra
from curate.models.loading import loading
from curate.models.weights import Weights
from curate.stages import Batch, Resources

__all__ = ["Head", "Layer", "PictureScores", "read_layers", "run_layers"]

PictureScores: TypeAlias = Callable[[Batch], list[float | None]]
"""A loaded model: one score per row, null where it has nothing to look at."""

FILES: Final = (".safetensors", ".npz", ".pt", ".pth")
WEIGHT: Final = re.compile(r"(?:.*\.)?(\d+)\.weight|(?:.*\.)?weight")
Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A network on the embeddings of one CLIP model, whose file holds weights and biases of linear layers.

    `weights` is safetensors, npz, or a torch state dict (read without running code): tensors `N.weight` [out, in] and
    `N.bias` [out], whatever stands before, or `weight` and `bias` for one layer; layers follow by their N. With
    `activation` "relu" there is one wherever the numbers leave room for it, which is how LAION's NSFW head is laid out
    (ReLU and dropout between layers 0 and 12, none between 15 and 16); LAION's aesthetic head has none at all. A
    state dict does not tell, so this is to be said. Output number `index` is the score, after `output`.
    `embedding` is the column; a head belongs to the model whose embeddings it was trained on, and on those of another
    with as many dimensions it gives noise: nothing can notice that.
    """

    weights: Weights
    activation: Literal["none", "relu"] = "none"
    output: Literal["linear", "sigmoid", "softmax"] = "linear"
    index: int = 0
    embedding: str = "clip_embedding"

    def __post_init__(self) -> None:
        if self.activation not in ("none", "relu"):
            raise PlanError(f"Head: activation={self.activation!r}: give 'none' or 'relu'")
        if self.output not in ("linear", "sigmoid", "softmax"):
            raise PlanError(f"Head: output={self.output!r}: give 'linear', 'sigmoid' or 'softmax'")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.embedding,)

    @property
    def pixels(self) -> None:
        """It looks at no image."""

    def check(self, stage: str) -> None:
        """Raise PlanError if the file is none of a head; a name of a hub is looked at when it is here."""
        name = self.weights.where
        if not name.endswith(FILES):
            raise PlanError(f"{stage}: {name} is no head; give a file that ends in {', '.join(FILES)}")
        if name.endswith((".pt", ".pth")):
            check_extra("torch", "clip")
        if name.endswith(".safetensors"):
            check_extra("safetensors", "clip")
        if self.weights.is_local():
            self._layers(stage)

    def load_scores(self, stage: str, _: Resources) -> PictureScores:
        layers = self._layers(stage)
        wanted = layers[0].weight.shape[1]

        def scores(batch: Batch) -> list[float | None]:
            vectors = batch.table[self.embedding].to_pylist()
            known = [i for i, vector in enumerate(vectors) if vector is not None]
            values: list[float | None] = [None] * len(vectors)
            if not known:
                return values
            if any(len(vectors[i]) != wanted for i in known):
                raise ContractError(
                    f"{stage}: {self.weights} wants embeddings of {wanted} numbers, {self.embedding} has "
                    f"{len(vectors[known[0]])}; give it those of the CLIP model that it was trained on"
                )
            outputs = self._finish(run_layers(layers, np.array([vectors[i] for i in known], np.float32)))
            for i, value in zip(known, outputs.tolist(), strict=True):
                values[i] = value
            return values

        return scores

    def _layers(self, stage: str) -> list["Layer"]:
        with loading(f"{stage}: {self.weights!r}"):
            layers = read_layers(_tensors(self.weights), self.activation)
        outputs = len(layers[-1].bias)
        if not 0 <= self.index < outputs:
            raise PlanError(f"{stage}: index={self.index}: {self.weights} has {outputs} outputs, counted from 0")
        return layers

    def _finish(self, outputs: Floats) -> Floats:
        if self.output == "softmax":
            raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            outputs = raised / raised.sum(axis=1, keepdims=True)
        values: Floats = outputs[:, self.index]
        if self.output == "sigmoid":
            values = (1 / (1 + np.exp(-np.clip(values, -60, 60)))).astype(np.float32)
        return values


@dataclass(frozen=True, slots=True)
class Layer:
    """A linear layer: weight float32[out, in], bias float32[out]; `relu`: negative outputs become 0."""

    weight: Floats
    bias: Floats
    relu: bool


def read_layers(tensors: dict[str, Any], activation: str) -> list[Layer]:
    """Return the layers that named tensors are; raises PlanError naming what is no part of a chain of linear layers."""
    numbered: dict[int, str] = {}
    for name in tensors:
        if found := WEIGHT.fullmatch(name):
            if (number := int(found[1] or 0)) in numbered:
                raise PlanError(f"{name} and {numbered[number]} are both layer {number}")
            numbered[number] = name
    biases = {f"{name.removesuffix('weight')}bias" for name in numbered.values()}
    if strange := [name for name in tensors if name not in biases and name not in numbered.values()]:
        raise PlanError(f"{strange[0]} is no weight or bias of a linear layer")
    order = sorted(numbered)
    if not order:
        raise PlanError("there is no weight of a linear layer in it")
    gaps = [after - before for before, after in pairwise(order)]
    relus = [activation == "relu" and gap > 1 for gap in gaps] + [False]
    layers = [_layer(tensors, numbered[n], relu) for n, relu in zip(order, relus, strict=True)]
    for before, after in pairwise(layers):
        if len(before.bias) != after.weight.shape[1]:
            raise PlanError(
                f"a layer of {len(before.bias)} outputs is followed by one of {after.weight.shape[1]} inputs"
            )
    return layers


def _layer(tensors: dict[str, Any], name: str, relu: bool) -> Layer:
    weight = np.asarray(tensors[name], np.float32)
    bias = np.asarray(tensors.get(f"{name.removesuffix('weight')}bias", np.zeros(len(weight))), np.float32)
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise PlanError(f"{name} is {list(weight.shape)} with a bias of {list(bias.shape)}, which is no linear layer")
    return Layer(weight, bias, relu)


def run_layers(layers: Sequence[Layer], vectors: Floats) -> Floats:
    """Return float32[n, out] of the embeddings float32[n, d], which are brought to length 1 first."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    values: Floats = vectors / np.where(lengths > 0, lengths, 1)
    for layer in layers:
        values = values @ layer.weight.T + layer.bias
        if layer.relu:
            values = np.maximum(values, 0)
    return values


def _tensors(weights: Weights) -> dict[str, Any]:
    """Read all tensors of a file; nothing in it is run."""
    path = weights.path()
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    if path.suffix == ".safetensors":
        return dict(load_extra("safetensors.numpy", "clip").load_file(path))
    state = load_extra("torch", "clip").load(path, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state)
    return {name: tensor.float().numpy() for name, tensor in state.items()}
