"""Detectors of true architecture with random weights, written on the spot: YOLOE, its tagger, OWLv2, RT-DETR."""

import os
from pathlib import Path
from typing import Any

VOCABULARY = [f"thing {i}" for i in range(40)]
CONTEXT = 77


def write_text_encoder(path: Path) -> Path:
    """Write a TorchScript text encoder as YOLOE's is: int32[n, 77] to unit float32[n, 512]."""
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(49408, 512)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            vectors = self.words(tokens) * (tokens != 0).unsqueeze(-1)
            return torch.nn.functional.normalize(vectors.sum(1), dim=-1)

    torch.manual_seed(1)
    torch.jit.trace(Encoder().eval(), torch.zeros(2, CONTEXT, dtype=torch.int32)).save(str(path))
    return path


def write_yoloe(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    _random_yoloe(path.parent).save(path)
    return path


def write_tagger(path: Path, encoder: Path) -> Path:
    """Write a YOLOE whose vocabulary is fused as ultralytics does it for its own checkpoints."""
    import open_clip
    import torch

    model = _random_yoloe(path.parent)
    net = model.model.eval()
    with torch.no_grad():
        tokens = open_clip.SimpleTokenizer(context_length=CONTEXT)(VOCABULARY)
        vectors = net.model[-1].get_tpe(torch.jit.load(str(encoder))(tokens.int())[None])
        net.get_text_pe = lambda _names: vectors
        layers = net.get_vocab(VOCABULARY)
        del net.get_text_pe
        net.args = {**net.args, "imgsz": 64}
        net.set_vocab(layers, VOCABULARY)
        net.pe = net.pe.detach().clone()
        net.model[-1].anchors = net.model[-1].strides = torch.empty(0)
        net.model[-1].shape = None
    model.save(path)
    return path


def _random_yoloe(folder: Path) -> Any:
    os.environ.setdefault("YOLO_CONFIG_DIR", str(folder))
    os.environ.setdefault("YOLO_OFFLINE", "true")
    import torch
    from ultralytics import YOLOE

    torch.manual_seed(0)
    model = YOLOE("yoloe-26n-seg.yaml")
    head = model.model.model[-1]
    for contrast in (*head.cv4, *head.one2one_cv4):  # fresh ones are sure of nothing
        contrast.norm.weight.data.fill_(2e4)
        contrast.bias.data.fill_(-0.5)
        contrast.logit_scale.data.fill_(0.0)
    return model


def write_owl(folder: Path) -> Path:
    import torch
    from transformers import Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor

    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokenizer = _tokenizer()
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = size | special | {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "pad_token_id": 0}
    vision = size | {"image_size": 64, "patch_size": 16}
    torch.manual_seed(0)
    model = Owlv2ForObjectDetection(Owlv2Config(text_config=text, vision_config=vision, projection_dim=32))
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape)
    model.save_pretrained(folder)
    Owlv2ImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = [chr(c) for c in range(33, 127)]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[])


def write_rt_detr(folder: Path) -> Path:
    import torch
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 32, 32, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=32,
        encoder_in_channels=[32, 32, 32],
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        d_model=32,
        num_queries=20,
        decoder_in_channels=[32, 32, 32],
        decoder_layers=1,
        decoder_ffn_dim=32,
        decoder_attention_heads=2,
        id2label={0: "cat", 1: "dog", 2: "tree"},
    )
    torch.manual_seed(0)
    model = RTDetrForObjectDetection(config)
    model.save_pretrained(folder)
    RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder
