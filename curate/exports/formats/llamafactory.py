"""Write LLaMA-Factory's sharegpt rows for SFT, DPO or KTO with their dataset_info.json, images beside them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from curate.captions.prompting.prompts import Prompt
from curate.errors import PlanError
from curate.exports.formats.llava import llava_row
from curate.exports.layout import Finished, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.lessons import Lessons, clean, lessons_of
from curate.exports.options import check_file_name
from curate.exports.pairs import PAIR_COLUMNS, has_pair
from curate.exports.selection import Selection
from curate.exports.sft import RowsFile, join_rows, write_rows
from curate.storage.store import Store

__all__ = ["Llamafactory"]

INFO = "dataset_info.json"
Task = Literal["sft", "dpo", "kto"]


@dataclass(frozen=True, slots=True)
class Llamafactory:
    """Writes `NAME.json`, `dataset_info.json` and each image as it was stored, named by its uid.

    Give LLaMA-Factory the folder as `dataset_dir` and NAME as `dataset` (with splits NAME-train and so on). `dpo` rows
    rank the two texts of a pair, `kto` rows are its texts one by one, marked as good or bad.
    """

    task: Annotated[Task, "What is trained: sft, dpo or kto."] = "sft"
    name: Annotated[str, "Name of the dataset, and of its file."] = "samples"
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
        if self.task not in get_args(Task):
            raise PlanError(f"task={self.task!r}: give {', '.join(get_args(Task))}")

    def condition(self, columns: Sequence[str]) -> str | None:
        return lessons_of(columns, self.rows, self.text)[1] if self.task == "sft" else has_pair(columns)

    def layout(self, selection: Selection) -> "Rows":
        file = RowsFile(self.name, "json", "[\n", ",\n", "\n]\n")
        if self.task != "sft":
            return Rows(file, Reads(columns=PAIR_COLUMNS), self.task, None)
        lessons, _ = lessons_of(selection.columns.names, self.rows, self.text, self.instructions, self.seed)
        return Rows(file, Reads(columns=lessons.columns), self.task, lessons)


@dataclass(frozen=True, slots=True)
class Rows:
    """Writes the images of a part, and its rows; they are joined and described at the end. `lessons` null: pairs."""

    file: RowsFile
    reads: Reads
    task: Task
    lessons: Lessons | None

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        return write_rows(folder, part, self.file, samples, self._rows)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        joined = join_rows(folder, self.file, parts)
        columns = {"messages": "conversations", "images": "images"}
        columns |= {"dpo": {"chosen": "chosen", "rejected": "rejected"}, "kto": {"kto_tag": "kto_tag"}}.get(
            self.task, {}
        )
        ranking = {"ranking": True} if self.task == "dpo" else {}
        about = {"formatting": "sharegpt", **ranking, "columns": columns}
        info = {name.removesuffix(".json"): {"file_name": name, **about} for name in joined.files}
        folder.write_bytes(INFO, json.dumps(info, indent=2).encode() + b"\n")
        return Finished([*joined.files, INFO], {"task": self.task, **joined.facts})

    def _rows(self, columns: Mapping[str, Any], image: str) -> list[Mapping[str, Any]]:
        uid = columns["uid"]
        if self.lessons is not None:
            rows = [llava_row(uid, image, lesson) for lesson in self.lessons.of(columns)]
            return [{"id": row["id"], "conversations": row["conversations"], "images": [image]} for row in rows]
        asked = {"from": "human", "value": f"<image>\n{clean(columns['pair_prompt'] or '')}"}
        texts = {side: {"from": "gpt", "value": clean(columns[f"pair_{side}"])} for side in ("chosen", "rejected")}
        if self.task == "dpo":
            return [{"id": uid, "conversations": [asked], **texts, "images": [image]}]
        return [
            {"id": f"{uid}-{side}", "conversations": [asked, text], "kto_tag": side == "chosen", "images": [image]}
            for side, text in texts.items()
        ]
