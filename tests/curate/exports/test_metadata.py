"""Laws of the dataset card and of croissant.json: what they say of the files is so, and no text of a run is markup."""

import hashlib
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from curate.dataset.manifest import Manifest, StageRecord
from curate.exports.export import export
from curate.exports.formats.parquet import Parquet
from curate.exports.formats.webdataset import WebDataset
from curate.exports.layout import Contents, Part, PartFacts
from curate.exports.metadata.card import card
from curate.exports.metadata.croissant import croissant
from curate.exports.metadata.provenance import (
    Prompted,
    Provenance,
    models_of_stage,
    prompts_of_stage,
    provenance_of,
)
from curate.exports.selection import select
from curate.exports.settings import ExportSettings
from curate.inspect.view import run_view

SPLITS = ExportSettings(splits=(("train", 0.6), ("val", 0.4)))


@pytest.fixture(params=[Parquet, WebDataset])
def out(request, folder, tmp_path) -> Path:
    export(
        folder.store, request.param(samples_per_shard=2, licence="CC-BY-4.0"), str(tmp_path / "out"), None, None, SPLITS
    )
    return tmp_path / "out"


def front_matter(out: Path) -> dict:
    return yaml.safe_load((out / "README.md").read_text().split("---\n")[1])


def test_the_card_counts_the_samples_of_each_split_and_its_patterns_match_their_files(out):
    matter = front_matter(out)
    index = pq.read_table(out / ".curate" / "index.parquet", columns=["export_file"])["export_file"].to_pylist()
    for split, files in zip(matter["dataset_info"]["splits"], matter["configs"][0]["data_files"], strict=True):
        matched = {path.name for path in out.glob(files["path"])}
        assert split["name"] == files["split"]
        assert split["num_examples"] == sum(name in matched for name in index) > 0
        assert split["num_bytes"] == sum((out / name).stat().st_size for name in matched)
    assert (matter["license"], matter["size_categories"]) == ("cc-by-4.0", ["n<1K"])


def test_croissant_has_the_digest_and_size_of_every_file_of_samples(out):
    document = json.loads((out / "croissant.json").read_bytes())
    files = [each for each in document["distribution"] if each["@type"] == "cr:FileObject"]
    assert {each["@id"] for each in files} == {path.name for path in out.glob("samples-*")}
    for each in files:
        data = (out / each["contentUrl"]).read_bytes()
        assert (each["sha256"], each["contentSize"]) == (hashlib.sha256(data).hexdigest(), f"{len(data)} B")
    assert document["license"] == "CC-BY-4.0"


def test_a_column_leads_to_the_stage_that_made_it_with_its_parameters(folder, tmp_path):
    export(folder.store, Parquet(), str(tmp_path / "out"))
    document = json.loads((tmp_path / "out" / "croissant.json").read_bytes())
    (record_set,) = document["recordSet"]
    made = {field["name"]: field.get("prov:wasGeneratedBy", {}).get("@id") for field in record_set["field"]}
    stages = {each["@id"]: each["description"] for each in document["prov:wasGeneratedBy"]}
    assert stages[made["caption"]].startswith("DenseCaption(")
    assert stages[made["clip_score"]].startswith("FakeClip(")
    assert made["uid"] is None
    assert document["license"] == "unknown"
    assert "exported: 6" in document["rai:dataManipulationProtocol"]


def test_the_funnel_ends_at_what_was_exported(folder):
    with select(run_view(folder.store), "clip_score > 0") as selection:
        made = provenance_of(selection, 4)
    assert made.funnel[0] == ("samples in", 12)
    assert ("kept", 6) in made.funnel
    assert made.funnel[-1] == ("exported (where clip_score > 0)", 4)


def test_models_and_prompts_are_read_from_what_a_stage_was():
    text = (
        "DenseCaption(engine=Vllm(model=Weights('Qwen/Qwen3-VL-2B-Instruct@89644892e4d8')), "
        "judge=OpenAIServer(model='gpt-x', urls=()), other=Weights(\"it's.pt\", blake2b=00ff), "
        "prompt=Prompt(id='a', text='Say \\'no\\'.\\nNow.'))"
    )
    (stage,) = run_of(text).stages
    assert [(m.name, m.revision, m.licence) for m in models_of_stage(stage)] == [
        ("Qwen/Qwen3-VL-2B-Instruct", "89644892e4d8", "Apache-2.0"),
        ("gpt-x", "", "unknown"),
        ("it's.pt", "blake2b:00ff", "unknown"),
    ]
    assert list(prompts_of_stage(stage)) == [Prompted("dense_caption", "a", "Say 'no'.\nNow.")]


def run_of(text: str) -> Manifest:
    stage = StageRecord("dense_caption", "expert", text, "dense_caption-v1-00000000")
    return Manifest("000001-r-00000000", "r", {}, [], "sample-v1", [stage], "verdict-v1-0", None, "", {})


def test_a_prompt_is_no_markup_and_no_row_of_its_own():
    hostile = "a | b\n\n# Head <img src=x> [link](http://e.org) `code`\n---\nlicense: mit"
    made = Provenance(run_of("X()"), None, 1, [], [], [Prompted("s", "p", hostile)], {}, {})
    contents = Contents("samples", "tar", pa.schema([]), pa.schema([]), "jpg")
    part = PartFacts(Part(None, 0), {"samples-000000.tar": {"size_bytes": 1, "sha256": "0"}}, 1, {})
    text = card(contents, [part], made)
    (line,) = [line for line in text.splitlines() if "Head" in line]
    assert not re.search(r"(?<!\\)[<\[`#]", line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 4
    assert text.count("\n---\n") == 1
    plans = croissant(contents, [part], made)["prov:wasGeneratedBy"]
    assert plans[0]["description"] == "X()"
