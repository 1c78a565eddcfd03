"""DenseFusion: dense captions from picture, web text and perception experts."""

from curate.captions.hints import Hints
from curate.captions.pixel_budget import PixelBudget
from curate.engines.vllm_engine import Vllm
from curate.experts.clip import Clip
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.experts.text_facts import TextFacts
from curate.pipeline import Pipeline
from curate.stages import Resources
from curate.weights import Weights
from filters.caption_clean import CaptionClean
from filters.max_aspect import MaxAspect
from filters.min_clip_score import MinClipScore
from filters.min_side import MinSide
from filters.not_animated import NotAnimated

__all__ = ["densefusion"]


def densefusion(
    vlm: str = "Qwen/Qwen3-VL-8B-Instruct",
    clip: str = "ViT-L-14",
    clip_weights: str = "datacomp_xl_s13b_b90k",
    detector: str = "yolo11x.pt",
    min_side_px: int = 448,
    min_clip_score: float = 0.2,
    longest_side_px: int = 448,
    adaptive_pixels: bool = False,
    gpus_for_perception: float = 0.5,
) -> Pipeline:
    """Caption pictures as DenseFusion-1M does (Li et al. 2024, arXiv 2407.08303), with models of today.

    From the paper: short edge at least 448 px; hints in the order world knowledge (alt text), objects as
    `[x1, y1, x2, y2]` in 0-1 with three decimals, text lines, each optional; captions of at most about 190 words; its
    rules for the writer, checked on the output too (`CaptionClean`). Small objects are favoured when the hints are
    capped. Ours, since the paper does not disclose them: detection and text thresholds, and the CLIP cut, a mild one
    against mismatches for the DataComp-XL ViT-L/14 (whose cosines are lower than OpenAI's).

    Left out: SemDeDup (50,000 clusters, epsilon 0.4) and the pick of 20 per cluster, RAM++ tags with an open-set
    detector, EVA02 (an ultralytics detector instead; AGPL-3.0), and the paper's own trained caption engine.

    The weights come from their hubs by the models' ordinary loaders. One GPU holds the writer; perception takes
    `gpus_for_perception` of another. `longest_side_px` is the largest lever on cost (docs/benchmarks.md);
    with `adaptive_pixels` each picture gets the tier that its text and small objects need, up to tiles of 4K
    (docs/pixel-budget.md).
    """
    on_gpu = Resources(gpus=gpus_for_perception / 2, batch_rows=64)
    engine = Vllm(Weights(vlm), max_model_len=8192)
    return Pipeline(
        [
            TextFacts(),
            ImageFacts(),
            MinSide(min_side_px),
            MaxAspect(3.0),
            NotAnimated(),
            Clip(clip, Weights(clip_weights), resources=on_gpu),
            MinClipScore(min_clip_score),
            Ocr(),
            Objects(Weights(detector), resources=on_gpu),
            DenseCaption(
                engine,
                hints=Hints(blocks=("alt_text", "objects", "ocr")),
                longest_side_px=longest_side_px,
                budget=PixelBudget() if adaptive_pixels else None,
                max_tokens=400,
            ),
            CaptionClean(),
        ]
    )
