"""A small finished dataset folder, made by the engine: real tars and images, real stages, models that are fakes.

Every image is noise around a brightness of its own, by which the fake models recognise it (`number`). What detector
and CLIP would measure stands in the sample's metadata.
"""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from PIL import Image
from rich.console import Console

from curate.captions.prompting.hints import Hints
from curate.dataset.cells import Cells
from curate.dataset.manifest import Manifest, latest
from curate.engines.engine import Request
from curate.engines.fake import FakeEngine
from curate.errors import SampleError
from curate.experts.blind_answers import BlindAnswers
from curate.experts.caption_qa import CaptionQA
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.experts.label_verified import LabelVerified
from curate.experts.preference_pair import PreferencePair
from curate.experts.select_questions import SelectQuestions
from curate.pipeline import Pipeline
from curate.run.runner import run as run_pipeline
from curate.run.spec import RunRequest
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE, Batch, Expert, Measurement, Resources, Scorer, stage_id
from curate.storage.store import Store
from filters.min_clip_score import MinClipScore
from schemas.clip import CLIP
from schemas.objects import OBJECTS
from schemas.ocr import OCR
from tests.support.shards import write_tar

LABEL = "cat"
STEP = 30  # levels of brightness between the images of two rows
ALT_TEXT = "alt text {} \u202e<b>\x1b[31m"  # what a hostile page would put there


@dataclass(frozen=True)
class FakeClip:
    """Adds what the metadata says CLIP would measure; fails on the rows in `fail`."""

    fail: tuple[int, ...] = field(default=(), repr=False)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("metadata",)
    adds: ClassVar[pa.Schema] = CLIP
    pixels: ClassVar[int] = 16
    resources: Resources = field(default=Resources(), repr=False, compare=False)

    def check(self) -> None:
        return None

    def load(self) -> Scorer:
        return self._score

    def _score(self, batch: Batch) -> Measurement:
        rows = [json.loads(text) for text in batch.table["metadata"].to_pylist()]
        columns = {
            "clip_score": [row["score"] for row in rows],
            "clip_embedding": [np.full(16, row["score"], np.float16) for row in rows],
            "clip_text_windows": [1] * len(rows),
        }
        return Measurement(
            columns, [SampleError("bad_text", "no score today") if r["number"] in self.fail else None for r in rows]
        )


@dataclass(frozen=True)
class FakeDetector:
    """Adds as many cats as the metadata says, and no line of text."""

    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("metadata",)
    adds: ClassVar[pa.Schema] = pa.schema([*OBJECTS, *OCR])
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(), repr=False, compare=False)

    def check(self) -> None:
        return None

    def load(self) -> Scorer:
        return self._detect

    def _detect(self, batch: Batch) -> Measurement:
        counts = [json.loads(text)["objects"] for text in batch.table["metadata"].to_pylist()]
        boxes = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.2, 0.9, 0.4]]
        objects = [[{"label": LABEL, "box": box, "score": 0.9} for box in boxes[:count]] for count in counts]
        no_text = {"ocr_lines": [], "ocr_text": "", "ocr_text_area_frac": 0.0, "ocr_score_mean": None}
        return Measurement({"objects": objects} | {name: [no_text[name]] * len(counts) for name in OCR.names})


def cats(number: int) -> int:
    """Return how many cats are on the image of a row."""
    return number % 3


def number(request: Request) -> int:
    """Return the row of the image that a request shows."""
    return int(request.image.mean()) // STEP


def caption(number: int) -> str:
    """Return what the fake writer says of the image of a row."""
    return f"A dense caption of image {number}." + ("", " There is one cat.", " There are two cats.")[cats(number)]


def write_caption(request: Request) -> str:
    return caption(number(request))


def look(request: Request) -> str:
    """Answer a question of CaptionQA rightly."""
    if request.choices:
        return "yes" if re.search(r"\bcats?\b", request.prompt) else "no"
    asks_number = re.search(r"how many|number of|count", request.prompt, re.IGNORECASE)
    return str(cats(number(request))) if asks_number else "A cat."


def guess(request: Request) -> str:
    """Answer without the image: right where one cat is what was asked for."""
    return "yes" if request.choices else "1"


def give_up(request: Request) -> str:
    return "no" if request.choices else "I cannot see it."


def reason(request: Request) -> str:
    """Find the label of row 5 without help, those of the others when told."""
    right = number(request) == 5 or f'The answer is "{LABEL}"' in request.prompt
    return json.dumps({"rationale": "It purrs.", "answer": LABEL if right else "dog"})


SIGHTED = FakeEngine(look, "vlm")
HINTS = Hints(blocks=())
CAPTION = DenseCaption(FakeEngine(write_caption, "writer"), hints=HINTS)
MEASURED: tuple[Expert, ...] = (ImageFacts(), FakeClip(), FakeDetector())
WRITTEN: tuple[Expert, ...] = (
    CAPTION,
    PreferencePair(None, kinds=(("wrong_count", 1.0),)),
    CaptionQA(SIGHTED, writer=None, sources=("objects",)),
    BlindAnswers(FakeEngine(guess, "vlm"), (FakeEngine(give_up, "base"),), grey=("vlm",)),
    SelectQuestions(),
    LabelVerified(FakeEngine(reason, "reasoner"), question=None),
)
FILTER = MinClipScore(0.3)


def pipeline(minimum: float = 0.3, captions: bool = True, clip: FakeClip | None = None) -> Pipeline:
    """Return the stages of the dataset: facts, CLIP, objects, a filter, then what is written about the kept."""
    measured = [clip if clip and isinstance(stage, FakeClip) else stage for stage in MEASURED]
    return Pipeline([*measured, MinClipScore(minimum), *(WRITTEN if captions else ())])


@dataclass(frozen=True)
class Folder:
    """The dataset, its source, and the bytes that went in: uid -> encoded image, in order, empty for row 0."""

    store: Store
    source: Path
    images: dict[str, bytes]

    @property
    def shards(self) -> list[Shard]:
        return latest(self.store).shards(self.store)

    def uid(self, row: int, shard: int = 0) -> str:
        """Return the uid of a row of a shard."""
        return list(self.images)[row + shard * len(self.images) // 2]


def make_dataset(root: Path, samples: int = 6, formats: Sequence[str] = ("JPEG",), captions: bool = True) -> Folder:
    """Make a dataset of two shards with `samples` each, by two runs; the second lowers the threshold of the filter.

    Row i of a shard: clip_score i/10 (kept from 0.3 on), i % 3 cats; row 0 has no image, that of row 1 is cut off. So
    rows 3 and up are kept, row 3 by the second run, whose measurements of it are later additions. Rows with cats have
    questions and a preference pair; the label of row 5 is verified without help. Every third row has a `cls` member.
    """
    for shard in range(2):
        write_source(root / "source" / f"{shard:05}.tar", shard, samples, formats)
    dataset = str(root / "dataset")
    for minimum in (0.4, 0.3):
        run(pipeline(minimum, captions), root / "source", dataset)
    store = Store(dataset)
    cells, images = Cells(store), {}
    for shard in latest(store).shards(store):
        cell = cells.read(SAMPLE_STAGE, shard.name)
        rows = zip(cell["uid"].to_pylist(), cell["row"].to_pylist(), strict=True)
        images |= {uid: _image(int(shard.url[-9:-4]), row, formats) for uid, row in rows}
    return Folder(store, root / "source", images)


def write_source(path: Path, shard: int, samples: int, formats: Sequence[str] = ("JPEG",)) -> Path:
    """Write a tar of samples with image, text, metadata and, every third, a class."""
    members: list[tuple[str, bytes]] = []
    for row in range(samples):
        key, extension = f"{shard:05}{row:04}", formats[row % len(formats)].lower().replace("jpeg", "jpg")
        facts = {"number": row, "score": row / 10, "objects": cats(row), "label": LABEL, "uid": pool_uid(shard, row)}
        members += [(f"{key}.{extension}", _image(shard, row, formats))] if row else []
        members += [(f"{key}.txt", ALT_TEXT.format(row).encode()), (f"{key}.json", json.dumps(facts).encode())]
        members += [(f"{key}.cls", str(row).encode())] if row % 3 == 0 else []
    return write_tar(path, members)


def pool_uid(shard: int, row: int) -> str:
    """Return the uid that the metadata of a row has, as those of DataComp's pool; in another order than the rows."""
    return f"{(10 - row) << 60 | shard:032x}"


def _image(shard: int, row: int, formats: Sequence[str]) -> bytes:
    """Return the image of a row: empty in row 0, cut off in row 1."""
    noise = np.random.default_rng(1000 * shard + row).integers(0, STEP - 10, (20, 30, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise + np.uint8(STEP * (row % 8))).save(stream, formats[row % len(formats)])
    return (b"", stream.getvalue()[:-200])[row] if row < 2 else stream.getvalue()


def run(stages: Pipeline, source: Path, dataset: str, **more: Any) -> Manifest:
    """Run a pipeline over a source in this process."""
    return run_pipeline(
        RunRequest(stages, [str(source / "*.tar")], dataset, "example", local=True, **more), Console(quiet=True)
    )


def add_rows(folder: Folder, stage: Expert, shard: int, rows: Sequence[int], **values: Any) -> None:
    """Add a later measurement of some rows to a cell, as the engine would, with other `values` in some columns."""
    cells, name = Cells(folder.store), folder.shards[shard].name
    cell, sample = cells.read(stage_id(stage), name), cells.read(SAMPLE_STAGE, name)
    table = cell.take(pa.array(rows))
    for column, value in values.items():
        field_ = table.schema.field(column)
        array = pa.array([value] * len(rows), field_.type)
        table = table.set_column(table.schema.get_field_index(column), field_, array)
    cells.add(stage_id(stage), name, table, sample)
