"""YOLOE detectors in their true architecture, told names or with a vocabulary, and the text encoder of the first.

Those of recipes always see the same; those called random see what random weights see, for what a neighbour must not
touch and what a library itself answers.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.weights.detector import UNSEEN

__all__ = [
    "MANY",
    "VOCABULARY",
    "write_random_tagger",
    "write_random_yoloe",
    "write_tagger",
    "write_text_encoder",
    "write_yoloe",
]

VOCABULARY: Final = ("person", "dog", "tree", "hill", "sky", "flower", "boat", "poster", "car", "house")
MANY: Final = [f"thing {i}" for i in range(40)]
SEEN: Final = (("dog", 0.8), ("person", 0.9))
SIDE: Final = 10.0  # strides of 32 px from the middle to a side of a box
CONTEXT: Final = 77


def write_yoloe(path: Path) -> Path:
    """Write the YOLOE that `path` names (yoloe-26l-seg.pt), which finds each name it is told with a score of 0.6."""
    import torch

    model = _build(path)
    head = model.model.model[-1]
    for boxes, embeddings, contrast in _branches(head):
        _always(boxes, SIDE)
        _always(embeddings, 0.0)
        for each in contrast[:-1]:
            torch.nn.init.constant_(each.bias, UNSEEN)
        torch.nn.init.constant_(contrast[-1].bias, 0.4)
    model.save(path)
    return path


def write_tagger(path: Path, seen: Sequence[tuple[str, float]] = SEEN) -> Path:
    """Write the YOLOE that `path` names (yoloe-26l-seg-pf.pt), with `VOCABULARY`.

    `seen` are name and score of the coarsest strides, the last one's last. Its
    names are fused by ultralytics' own `set_vocab`, as those of the published checkpoints.
    """
    import torch

    model = _build(path)
    net, head = model.model.eval(), model.model.model[-1]
    net.set_classes(["object"], torch.ones(1, 1, head.embed))
    head.fuse(net.pe)  # now the last layers say whether there is anything at all
    for boxes, filters, _ in _branches(head):
        _always(boxes, SIDE)
        _always(filters, UNSEEN)
        _always(filters[-len(seen) :], -UNSEEN)
    layers = [torch.nn.Sequential(torch.nn.Conv2d(each[-1].in_channels, len(VOCABULARY), 1)) for each in head.cv3]
    _always(layers, UNSEEN)
    for (layer,), (name, score) in zip(layers[-len(seen) :], seen, strict=True):
        layer.bias.data[VOCABULARY.index(name)] = torch.logit(torch.tensor(score))
    net.set_vocab(torch.nn.ModuleList(layer[0] for layer in layers), list(VOCABULARY))
    model.save(path)
    return path


def write_random_yoloe(path: Path) -> Path:
    """Write the smallest YOLOE, whose random weights are sure of something: fresh ones are not."""
    _random(path).save(path)
    return path


def write_random_tagger(path: Path, encoder: Path) -> Path:
    """Write the smallest YOLOE with the vocabulary `MANY`, fused as ultralytics does it for its own checkpoints."""
    import open_clip
    import torch

    model = _random(path)
    net = model.model.eval()
    with torch.no_grad():
        tokens = open_clip.SimpleTokenizer(context_length=CONTEXT)(MANY)
        vectors = net.model[-1].get_tpe(torch.jit.load(str(encoder))(tokens.int())[None])
        net.get_text_pe = lambda _names: vectors
        layers = net.get_vocab(MANY)
        del net.get_text_pe
        net.args = {**net.args, "imgsz": 64}
        net.set_vocab(layers, MANY)
        net.pe = net.pe.detach().clone()
        net.model[-1].anchors = net.model[-1].strides = torch.empty(0)
        net.model[-1].shape = None
    model.save(path)
    return path


def _random(path: Path) -> Any:
    model = _build(path.with_name("yoloe-26n-seg.pt"))
    for *_, contrasts in _branches(model.model.model[-1]):
        for contrast in contrasts:
            contrast.norm.weight.data.fill_(2e4)
            contrast.bias.data.fill_(-0.5)
            contrast.logit_scale.data.fill_(0.0)
    return model


def write_text_encoder(path: Path, width: int = 512) -> Path:
    """Write a TorchScript text encoder as YOLOE's (mobileclip2_b.ts): int32[n, 77] to float32[n, width]."""
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(49408, width)
            self.places = torch.nn.Parameter(torch.randn(CONTEXT, width))

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            vectors = self.words(tokens) * torch.sigmoid(self.places)
            return torch.nn.functional.normalize((vectors * (tokens != 0).unsqueeze(-1)).sum(1), dim=-1)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = Encoder().eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.trace(encoder, torch.zeros(2, CONTEXT, dtype=torch.int32)).save(str(path))
    return path


def _build(path: Path) -> Any:
    os.environ.setdefault("YOLO_CONFIG_DIR", str(path.parent))
    os.environ.setdefault("YOLO_OFFLINE", "true")
    path.parent.mkdir(parents=True, exist_ok=True)
    import torch
    from ultralytics import YOLOE

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return YOLOE(f"{path.stem.removesuffix('-pf')}.yaml")


def _branches(head: Any) -> list[tuple[Any, Any, Any]]:
    """Return boxes, embeddings and contrast of both halves of a head: with doubles, and end to end without."""
    return [(head.cv2, head.cv3, head.cv4), (head.one2one_cv2, head.one2one_cv3, head.one2one_cv4)]


def _always(layers: Any, value: float) -> None:
    """Let the last layer of each stride say a value, whatever it sees."""
    import torch

    for each in layers:
        torch.nn.init.zeros_(each[-1].weight)
        torch.nn.init.constant_(each[-1].bias, value)
