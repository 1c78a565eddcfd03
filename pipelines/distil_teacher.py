"""The teacher of a distillation: a large model describes and judges a varied sample, whose rows train a small one."""

from curate.corpus.clusters import Clusters
from curate.corpus.stratified_sample import StratifiedSample
from curate.engines.chat_model import ChatModel
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.caption_judge import CaptionJudge
from curate.experts.clip import Clip
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.experts.sample_lot import SampleLot
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.max_rank import MaxRank
from filters.min_side import MinSide
from filters.not_animated import NotAnimated

__all__ = ["distil_teacher"]


def distil_teacher(
    engine: ChatModel = ChatModel("Qwen/Qwen3-VL-8B-Instruct"),
    detector: Weights = Weights("yolo11x.pt"),
    scorer: Clip = Clip("ViT-B-32-quickgelu", Weights("openai")),
    clusters: int = 1_000,
    sample: int = 100_000,
    longest_side_px: int = 448,
) -> Pipeline:
    """Describe and judge a sample of images that is spread over clusters, for a student to learn from.

    From DenseFusion-1M (arXiv 2407.08303): a strong model with perception experts describes 100K images, a `sample`
    chosen for diversity, and what it wrote trains the model that describes the rest. From SAIL-VL2 (arXiv 2509.14033):
    judges of richness and alignment are trained on labels of a strong model.

    Ours: k-means into 1,000 `clusters` of the embeddings of `scorer`, from which samples are drawn by a temperature of
    3.3, so that small ones have more than their share; `detector`; `engine` judges what it wrote, and both see images
    with their longest side at most `longest_side_px`. `lot` divides the sample into what teaches and what is held out;
    docs/distillation.md has the commands. Left out: the three versions of prompts and the experts of DenseFusion's own
    system (`densefusion` has them), training.
    """
    writer = engine.build()
    return Pipeline(
        [
            ImageFacts(),
            MinSide(224),
            NotAnimated(),
            scorer,
            Clusters(f"{scorer.prefix}clip_embedding", clusters),
            StratifiedSample(("cluster",), temperature=3.3),
            MaxRank("sample_rank", sample),
            SampleLot(),
            Ocr(),
            Objects(detector),
            DenseCaption(writer, longest_side_px=longest_side_px),
            CaptionEvidence(),
            CaptionJudge(writer, longest_side_px=longest_side_px),
        ]
    )
