"""The worked example of docs/add-a-corpus-stage.md is true."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pyarrow as pa

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-corpus-stage.md").read_text()


def test_the_corpus_stage_of_the_page_runs(monkeypatch):
    schema, stage, trial = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for name, code in (("schemas.text_uses", schema), ("curate.corpus.text_uses", stage)):
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(code, module.__dict__)
    exec(trial, {"pa": pa})
