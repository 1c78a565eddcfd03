"""The examples of docs/reading.md and the cells of its notebook run as they stand."""

import json
import re
import shutil
from pathlib import Path

from curate.exports.export import export
from curate.exports.formats.webdataset import WebDataset

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reading.md").read_text()


def test_the_examples_run_in_order(folder, tmp_path, monkeypatch):
    shutil.copytree(folder.store.local_path(), tmp_path / "out")
    export(folder.store, WebDataset(), str(tmp_path / "train"))
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    assert [sample.uid for sample in names["exported"]] == [sample.uid for sample in names["samples"]]
    assert len(names["everything"]) > len(names["samples"]) > len(names["high"])
    assert names["same"].columns == names["first"].columns
    assert sum(1 for _ in names["rest"]) == 1


def test_the_cells_of_the_notebook_run_in_order(folder, tmp_path, monkeypatch):
    shutil.copytree(folder.store.local_path(), tmp_path / "quickstart")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((DOCS / "notebooks" / "reading.ipynb").read_bytes())
    assert (notebook["nbformat"], notebook["cells"][0]["cell_type"]) == (4, "markdown")
    names = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
            assert cell["outputs"] == []
    assert names["table"].num_rows == len(names["samples"]) > len(names["uids"]) == 2
    assert names["everything"].to_arrow(["uid"]).num_rows == names["fates"].num_rows > len(names["samples"])
