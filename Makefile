# The verbs of the project; CI calls the same ones.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PIP := $(BIN)/python -m pip --disable-pip-version-check
OUT ?= out

.PHONY: setup lock quickstart test test-slow check evaluate evaluate-captions faults bench docs clean

setup: $(READY)

# The lock is installed as it stands: no resolver, so it takes minutes instead of tens of minutes and always gives the
# same environment. Three OpenCV wheels share one cv2 folder, so the last one is laid down again, whole.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	$(PIP) install --quiet --no-deps --requirement requirements.lock
	$(PIP) install --quiet --no-deps --editable .
	$(PIP) install --quiet --no-deps --force-reinstall $$(grep ^opencv-python-headless== requirements.lock)
	touch $(READY)

lock: $(READY)
	(grep '^#' requirements.lock; $(PIP) freeze --exclude-editable) > requirements.new && mv requirements.new requirements.lock

quickstart: $(READY)
	$(BIN)/curate run quickstart --input 'nano/shards/*.tar' --dataset $(OUT)/quickstart

test: $(READY)
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell README.md docs curate filters pipelines schemas
	$(BIN)/python -m schemas.document --check docs/data-format.md
	rm -rf build/wheel && $(BIN)/python -m build --wheel --outdir build/wheel . >/dev/null && $(BIN)/check-wheel-contents build/wheel

docs: $(READY)
	$(BIN)/python -m schemas.document docs/data-format.md

evaluate: $(READY)
	$(BIN)/python -m nano.evaluate.run $(OUT)/quickstart

evaluate-captions: $(READY)
	$(BIN)/python -m nano.evaluate.captions
	$(BIN)/python -m nano.evaluate.injections

faults: $(READY)
	$(BIN)/python -m faults.kills --kills 100 --engine-kills 5
	$(BIN)/python -m faults.system

bench: $(READY)
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(OUT) build dist .mypy_cache .ruff_cache .pytest_cache
