"""Make a model under a hub's name: `python -m tests.support.weights.make NAME FOLDER` writes its files into a folder.

A process of its own, so that what torch, transformers and ultralytics hold and warn of ends with it.
"""

import sys
from pathlib import Path
from typing import Final

from tests.support.weights.chat import write_chat_model
from tests.support.weights.clip import write_clip
from tests.support.weights.detector import write_detector
from tests.support.weights.open_detector import write_tagger, write_text_encoder, write_yoloe
from tests.support.weights.transformers_detectors import write_owl, write_rt_detr

__all__ = ["make_model"]

OPEN_CLIP_FILE: Final = "open_clip_model.safetensors"
CLIP_MODELS: Final = {
    "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K": "ViT-L-14",
    "timm/vit_base_patch32_clip_224.openai": "ViT-B-32-quickgelu",
    "timm/vit_large_patch14_clip_224.openai": "ViT-L-14-quickgelu",
}


def make_model(name: str, folder: Path) -> None:
    """Write what a hub has under a name; raises ValueError for one of which we do not know how it is built."""
    file = folder / name
    if name in CLIP_MODELS:
        write_clip(folder / OPEN_CLIP_FILE, CLIP_MODELS[name])
    elif "Qwen3-VL" in name:
        write_chat_model(folder)
    elif "owlv2" in name:
        write_owl(folder)
    elif "rtdetr" in name:
        write_rt_detr(folder)
    elif name.endswith("-pf.pt"):
        write_tagger(file)
    elif name.startswith("yoloe"):
        write_yoloe(file)
    elif name.startswith("mobileclip"):
        write_text_encoder(file)
    elif name.startswith("yolo"):
        write_detector(file)
    else:
        raise ValueError(f"{name}: say in {__name__} how a model of its architecture is made")


if __name__ == "__main__":
    make_model(sys.argv[1], Path(sys.argv[2]))
