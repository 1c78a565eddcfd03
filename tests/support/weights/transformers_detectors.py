"""Detectors of transformers in their true architecture: OWLv2 and RT-DETR, of true size or tiny."""

from pathlib import Path
from typing import Any, Final

__all__ = ["write_owl", "write_rt_detr", "write_tiny_owl", "write_tiny_rt_detr"]

COCO: Final = {0: "person", 16: "dog"}
SURE: Final = 0.6
SPECIAL: Final = ("<|startoftext|>", "<|endoftext|>")


def write_owl(folder: Path) -> Path:
    """Write the OWLv2 of google/owlv2-base-patch16-ensemble's size, which finds each name it is told, everywhere.

    It looks at a quarter of that one's pixels, which takes less time.
    """
    import torch
    from transformers import Owlv2Config, Owlv2ForObjectDetection

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Owlv2ForObjectDetection(Owlv2Config(vision_config={"image_size": 480, "patch_size": 16}))
    with torch.no_grad():
        for layer in (model.class_head.logit_shift, model.class_head.logit_scale, model.box_head.dense2):
            layer.weight.zero_()
        model.class_head.logit_scale.bias.fill_(-4.6)  # elu + 1 is 0.01
        model.class_head.logit_shift.bias.fill_(100 * torch.logit(torch.tensor(SURE)))
        model.box_head.dense2.bias.copy_(torch.tensor([0.0, 0.0, 8.0, 8.0]))  # as large as the image, about each place
    return _save(model.half(), folder, _clip_tokenizer(), side=480)


def write_rt_detr(folder: Path) -> Path:
    """Write the RT-DETR of PekingU/rtdetr_r50vd_coco_o365's size, whose queries all see a person."""
    import torch
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor

    names = {i: COCO.get(i, f"class {i}") for i in range(80)}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RTDetrForObjectDetection(RTDetrConfig(id2label=names, label2id={name: i for i, name in names.items()}))
    with torch.no_grad():
        for layer in model.model.decoder.class_embed:
            layer.weight.zero_()
            layer.bias.fill_(-12.0)
            layer.bias[0] = torch.logit(torch.tensor(SURE))
    model.half().save_pretrained(folder)
    RTDetrImageProcessor().save_pretrained(folder)
    return folder


def write_tiny_owl(folder: Path) -> Path:
    """Write a tiny OWLv2 of random weights that are sure of something."""
    import torch
    from transformers import Owlv2Config, Owlv2ForObjectDetection

    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokenizer = _letters()
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = size | special | {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "pad_token_id": 0}
    vision = size | {"image_size": 64, "patch_size": 16}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Owlv2ForObjectDetection(Owlv2Config(text_config=text, vision_config=vision, projection_dim=32))
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn(parameter.shape)
    return _save(model, folder, tokenizer, side=64)


def write_tiny_rt_detr(folder: Path) -> Path:
    """Write a tiny RT-DETR of random weights, of three classes."""
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


def _save(model: Any, folder: Path, tokenizer: Any, side: int) -> Path:
    from transformers import Owlv2ImageProcessor

    model.save_pretrained(folder)
    Owlv2ImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _letters() -> Any:
    from transformers import CLIPTokenizer

    letters = [chr(c) for c in range(33, 127)]
    words = [*letters, *(f"{c}</w>" for c in letters), *SPECIAL]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[])


def _clip_tokenizer() -> Any:
    """Return CLIP's own tokenizer, as open_clip brings it."""
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import CLIPTokenizer

    whole = SimpleTokenizer()
    tokens = [*list(whole.encoder)[: -len(SPECIAL)], *SPECIAL]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=list(whole.bpe_ranks))
