"""Models of ultralytics, which is AGPL-3.0 with its weights: imported only when one is loaded, without analytics."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from curate.captions.boxes import Box
from curate.errors import PlanError
from curate.experts.detections import Detection, Detector
from curate.experts.text_prompts import Found
from curate.models.cache import cache_folder
from curate.models.extras import load_extra
from curate.models.loading import loading
from curate.models.weights import Weights
from curate.pixels import resize
from curate.stages import Pixels

__all__ = ["Yoloe", "load_detector", "load_tagger", "load_yoloe"]

GREY: Final = 114  # what ultralytics puts beside an image that is no square
ENCODERS: Final = {"mobileclip:blt": "mobileclip_blt", "mobileclip2:b": "mobileclip2_b"}
MOST_BOXES: Final = 300  # of one image, ultralytics' own
SAME_BOX: Final = 0.7  # IoU, ultralytics' own


def load_detector(weights: Weights, side: int, min_score: float, device: str) -> Detector:
    """Return a closed-set detector; images are fitted into a square of `side` px."""
    model = _load(weights, "detect")
    lock = threading.Lock()  # a predictor keeps state between calls

    def detect(images: Sequence[Pixels]) -> list[list[Detection]]:
        import torch

        threads = torch.get_num_threads()
        with lock:
            results = model.predict(
                [np.ascontiguousarray(image[:, :, ::-1]) for image in images],
                imgsz=side,
                conf=min_score,
                rect=False,
                device=device,
                verbose=False,
            )
        torch.set_num_threads(threads)  # ultralytics takes all cores but one
        return [_detections(result) for result in results]

    return detect


def _detections(result: Any) -> list[Detection]:
    labels, boxes = result.names, result.boxes
    edges = np.clip(boxes.xyxyn.cpu().numpy().astype(np.float64), 0, 1).tolist()
    return [
        Detection(str(labels[int(kind)]), (x0, y0, x1, y1), float(score))
        for (x0, y0, x1, y1), kind, score in zip(edges, boxes.cls.tolist(), boxes.conf.tolist(), strict=True)
    ]


def load_tagger(weights: Weights, side: int, min_score: float, device: str) -> "Yoloe":
    """Return a YOLOE with a vocabulary of its own; raises PlanError if the checkpoint needs to be told names."""
    model = _load_net(weights, side, min_score, device)
    if not hasattr(model.head, "lrpc"):
        raise PlanError(f"Tags: {weights.where} has no vocabulary of its own; give a checkpoint that ends with -pf.pt")
    return model


def load_yoloe(weights: Weights, encoder: Weights, side: int, min_score: float, device: str) -> "Yoloe":
    """Return a YOLOE that is told names, with the text encoder that it was trained with, a TorchScript file."""
    model = _load_net(weights, side, min_score, device)
    if hasattr(model.head, "lrpc"):
        raise PlanError(f"OpenObjects: {weights.where} has a vocabulary of its own; give a checkpoint without -pf")
    variant = getattr(model.net, "text_model", "mobileclip:blt")
    if (stem := Path(encoder.where).stem) in ENCODERS.values() and stem != ENCODERS.get(variant):
        raise PlanError(f"OpenObjects: {weights.where} reads {variant}; give text_encoder={ENCODERS.get(variant)}.ts")
    import torch

    with loading(f"OpenObjects: {encoder!r}"):
        model.encoder = torch.jit.load(str(encoder.path()), map_location=model.device).eval()
        model.tokenizer = load_extra("open_clip", "detect").SimpleTokenizer(context_length=77)
    return model


@dataclass(slots=True)
class Yoloe:
    """A YOLOE of any size: images fitted into a square of `side` px, boxes over `min_score`."""

    net: Any
    device: str
    side: int
    min_score: float
    encoder: Any = None
    tokenizer: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)  # names are state of the network

    @property
    def head(self) -> Any:
        return self.net.model[-1]

    @property
    def vocabulary(self) -> list[str]:
        """The names of a checkpoint with a vocabulary of its own, by number."""
        return [str(self.net.names[i]) for i in range(len(self.net.names))]

    def embed(self, names: Sequence[str]) -> Any:
        """Return unit vectors of names, float32[n, d]."""
        import torch

        with torch.inference_mode():
            tokens = self.tokenizer(list(names)).to(self.device, torch.int32)
            return self.head.get_tpe(self.encoder(tokens).float()[None])[0]

    def detect(self, images: Sequence[Pixels], queries: Any = None) -> list[list[Found]]:
        """Return what is found of the names of each image, whose vectors are float32[b, n, d], zero past the last.

        Each name is answered for itself. Without `queries`, of the vocabulary: the best name of each box.
        """
        import torch

        squares, places = zip(*(_fit(image, self.side) for image in images), strict=True)
        pixels = torch.from_numpy(np.stack(squares)).to(self.device).permute(0, 3, 1, 2).float() / 255
        with self.lock, torch.inference_mode():
            if queries is not None:
                self.net.pe = queries
            self.head.agnostic_nms = queries is None
            found = self._boxes(self.net(pixels), queries is None)
        return [self._found(rows.cpu().numpy(), place) for rows, place in zip(found, places, strict=True)]

    def _boxes(self, output: Any, agnostic: bool) -> Any:
        """Return float32[k, 6 or more] per image: x0, y0, x1, y1 in px of the square, score, number of the name."""
        from ultralytics.utils.nms import non_max_suppression

        while isinstance(output, list | tuple):
            output = output[0]
        return non_max_suppression(
            output,
            self.min_score,
            SAME_BOX,
            agnostic=agnostic,
            multi_label=not agnostic,
            max_det=MOST_BOXES,
            nc=self.head.nc,
            end2end=self.head.end2end,
            max_time_img=60.0,  # what time does not allow would be left out
        )

    def _found(self, rows: Any, place: Box) -> list[Found]:
        x, y, width, height = place
        found = []
        for x0, y0, x1, y1, score, number in rows[:, :6].astype(np.float64).tolist():
            box = ((x0 - x) / width, (y0 - y) / height, (x1 - x) / width, (y1 - y) / height)
            found.append(Found(int(number), box, score))
        return found


def _fit(image: Pixels, side: int) -> tuple[Pixels, Box]:
    """Return an image in the middle of a grey square, and where it lies there: x, y, width, height in px."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    x, y = (side - size[0]) // 2, (side - size[1]) // 2
    square = np.full((side, side, 3), GREY, np.uint8)
    square[y : y + size[1], x : x + size[0]] = image if (width, height) == size else resize(image, *size)
    return square, (x, y, *size)


def _load_net(weights: Weights, side: int, min_score: float, device: str) -> Yoloe:
    net = _load(weights, None).model
    if not hasattr(net, "get_text_pe"):
        raise PlanError(f"{weights.where} is no YOLOE checkpoint, which is what names are asked of; give a yoloe-*.pt")
    net = net.to(device).float().eval()
    net.end2end = _is_end_to_end(net.model[-1])
    return Yoloe(net.fuse(verbose=False).requires_grad_(False), device, side, min_score)


def _is_end_to_end(head: Any) -> bool:
    """Tell which half of a head to use: the one that suppresses doubles afterwards, unless it is not there.

    That is what ultralytics 8.4.190 does. Of a checkpoint with a vocabulary, the half that was made for it: the last
    layers of its branches have moved into `lrpc`.
    """
    if getattr(head, "one2one_cv2", None) is None or head.cv2 is None:
        return head.cv2 is None
    only_one = hasattr(head, "lrpc") and not hasattr(head, "one2one_lrpc")
    return only_one and len(head.one2one_cv2[0]) < len(head.cv2[0])


def _load(weights: Weights, task: str | None) -> Any:
    """Return an ultralytics model."""
    os.environ.setdefault("YOLO_CONFIG_DIR", str(cache_folder()))  # else settings go to ~/.config
    os.environ.setdefault("YOLO_VERBOSE", "false")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    library = load_extra("ultralytics", "detect")
    library.settings.update({"sync": False})  # no usage reports
    with loading(f"ultralytics: {weights!r}"):
        return library.YOLO(str(weights.path()), task=task)
