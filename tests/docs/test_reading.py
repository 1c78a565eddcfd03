"""The examples of docs/reading.md run as they stand."""

import re
import shutil
from pathlib import Path

from curate.exports.export import export
from curate.exports.formats.webdataset import WebDataset

PAGE = (Path(__file__).parents[2] / "docs" / "reading.md").read_text()


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
