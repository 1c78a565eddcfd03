"""A recipe that only measures captions by evidence, to be held to labels without a captioner.

python -m nano.evaluate.calibration out/calibration
curate calibrate nano/evaluate/gates.py:evidence out/calibration/set.jsonl --out out/calibration/evidence.json
--gate ita:caption_object_precision:1 --gate vir:caption_object_recall:1
"""

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.models.weights import Weights
from curate.pipeline import Pipeline


def evidence(detector: str = "nano/detector/nano-yolo.pt", lexicon: str = "nano/lexicon.toml") -> Pipeline:
    """Return what a caption's evidence columns need."""
    seen = Objects(Weights(detector), image_size_px=320)
    return Pipeline([Ocr(), seen, CaptionEvidence(evidence=Evidence(read_lexicon(lexicon)))])
