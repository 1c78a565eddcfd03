"""Write rows for TRL's SFT, DPO or KTO trainer as Parquet with the images inside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import pyarrow as pa

from curate.captions.prompting.prompts import Prompt
from curate.errors import PlanError
from curate.exports.layout import Finished, Part, PartFacts, Reads, Samples, Writer, Wrote
from curate.exports.lessons import Lessons, clean, lessons_of
from curate.exports.options import check_at_least_one, check_file_name
from curate.exports.pairs import PAIR_COLUMNS, TURNS, assistant, has_pair, pairs_of, user
from curate.exports.parquet_files import IMAGE, image_cells, with_features, write_parquet
from curate.exports.selection import Selection
from curate.storage.store import Store

__all__ = ["Trl"]

Task = Literal["dpo", "sft", "kto"]


@dataclass(frozen=True, slots=True)
class Trl:
    """Writes rows of `uid`, `images` and messages: `prompt`, `chosen`, `rejected`, or `prompt`, `completion`.

    `sft` has a row for each answer, so that only answers are trained on; `kto` a row for each text of a pair, with a
    `label`. Give the trainer max_length=None: the tokens of an image must not be cut.
    """

    task: Annotated[Task, "What is trained: dpo, sft or kto."] = "dpo"
    name: Annotated[str, "Beginning of the names of the files."] = "samples"
    samples_per_shard: Annotated[int, "Most samples in one file."] = 1_000
    rows: Annotated[
        tuple[str, ...],
        "For sft: what is taught, as a list of questions, label, caption, kinds, judgement, yes_no; by default "
        "questions and labels if the run has them, else the captions of each kind, else the caption.",
    ] = ()
    text: Annotated[
        str | None, "Column of the caption; by default the drawn, best, final or first one, whichever the run has."
    ] = None
    instructions: Annotated[
        tuple[Prompt, ...], "TOML file of prompts, of which one is drawn for each dense caption; none: ours."
    ] = ()
    seed: Annotated[int, "Another seed draws other instructions."] = 0

    def __post_init__(self) -> None:
        check_file_name(self.name)
        check_at_least_one(samples_per_shard=self.samples_per_shard)
        if self.task not in get_args(Task):
            raise PlanError(f"task={self.task!r}: give {', '.join(get_args(Task))}")

    def condition(self, columns: Sequence[str]) -> str | None:
        return lessons_of(columns, self.rows, self.text)[1] if self.task == "sft" else has_pair(columns)

    def layout(self, selection: Selection) -> Writer:
        if self.task == "dpo":
            return pairs_of(self.name, self.samples_per_shard)
        if self.task == "kto":
            return Answers(self.name, Reads(self.samples_per_shard, columns=PAIR_COLUMNS), None)
        lessons, _ = lessons_of(selection.columns.names, self.rows, self.text, self.instructions, self.seed)
        return Answers(self.name, Reads(self.samples_per_shard, columns=lessons.columns), lessons)


SFT = [("uid", pa.string()), ("images", pa.list_(IMAGE)), ("prompt", TURNS), ("completion", TURNS)]
FEATURES = {"images": [{"_type": "Image"}]}


@dataclass(frozen=True, slots=True)
class Answers:
    """Writes one Parquet file a part, a row for each answer; `lessons` null: those of pairs, with labels."""

    name: str
    reads: Reads
    lessons: Lessons | None

    @property
    def schema(self) -> pa.Schema:
        more = [("instruction", pa.string())] if self.lessons else [("label", pa.bool_())]
        return with_features(pa.schema([*SFT, *more]), FEATURES)

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        return write_parquet(folder, part.file(self.name, "parquet"), self.schema, samples, self._table)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        return Finished(facts={"task": "sft" if self.lessons else "kto"})

    def _table(self, samples: Samples) -> pa.Table:
        rows = zip(samples.rows.to_pylist(), image_cells(samples), strict=True)
        made = [row for columns, image in rows for row in self._rows(columns, image)]
        return pa.Table.from_pylist(made, schema=self.schema)

    def _rows(self, columns: Mapping[str, Any], image: Mapping[str, Any]) -> list[dict[str, Any]]:
        own = {"uid": columns["uid"], "images": [image]}
        if self.lessons is None:
            prompt = user(clean(columns["pair_prompt"] or ""))
            sides = (("pair_chosen", True), ("pair_rejected", False))
            return [
                {**own, "prompt": prompt, "completion": assistant(clean(columns[side])), "label": label}
                for side, label in sides
            ]
        return [
            {**own, "prompt": user(question), "completion": assistant(answer), "instruction": lesson.instruction}
            for lesson in self.lessons.of(columns)
            for question, answer in lesson.turns
        ]
