# The verbs of the project; CI (.ci/run) calls the same ones.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PIP := $(BIN)/python -m pip --disable-pip-version-check
OUT ?= out
# Where the environments of trainers' loaders lie, one each, and what they read.
LOADERS := build/consumers
CONSUMERS := $(sort $(patsubst tests/consumers/%/requirements.in,%,$(wildcard tests/consumers/*/requirements.in)))
# Two processes; a file's tests stay together, since they share what takes long to start.
TWO := -n 2 --dist loadfile

.PHONY: setup check test test-pages golden recipes coverage test-slow test-consumers lock-consumers quickstart evaluate evaluate-captions faults bench gpu gpu-dry proofs proofs-dry docs site lock clean

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

# Format, lint, types, layers, dependencies, files, documents, wheel: what needs no test to run.
check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry curate filters pipelines schemas
	$(BIN)/deptry benchmarks faults nano tests --exclude '^($(VENV)|tests/consumers)/' --ignore DEP002,DEP004 --per-rule-ignores 'DEP001=cosmos_xenna|faiss|imagededup|datasketch|datatrove|sklearn|trl,DEP003=open_clip_train'  # what a user may install: rivals, scikit-learn to fit
	$(BIN)/codespell README.md docs changelog.d curate filters pipelines schemas
	git ls-files -z '*.toml' | xargs -0 $(BIN)/check-toml
	git ls-files -z '*.yaml' '*.yml' | xargs -0 --no-run-if-empty $(BIN)/check-yaml
	$(BIN)/python -m schemas.document --check docs/data-format.md
	rm -rf build/wheel && $(BIN)/python -m build --wheel --outdir build/wheel . >/dev/null && $(BIN)/check-wheel-contents build/wheel

test: $(READY)
	$(BIN)/python -m pytest $(TWO) -m "not slow and not golden and not recipes and not pages"

# Pages in a real browser: Debian's Chromium, which is installed if it is missing (as root).
test-pages: $(READY)
	command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null)
	$(BIN)/python -m pytest -m pages

# The quickstart as a user runs it, against the recorded bytes: two minutes on two cores.
golden: $(READY)
	$(BIN)/python -m pytest -m golden

# Every recipe as a user types it: without models one sentence, with models of true size a whole run. 1 GB of them.
recipes: $(READY)
	$(BIN)/python -m pytest -m recipes

# The tests of `make test` in one process, with the lines that they run; fails under 95 %. Counting lines nearly doubles the
# time of pure Python, so this is a step of its own, and leaves out the tests that hold a search to its seconds.
coverage: $(READY)
	$(BIN)/coverage run -m pytest -q -m "not slow and not golden and not recipes and not pages" -k "not linear"
	$(BIN)/coverage report

# Kills, hangs, S3 with faults, real servers: minutes, for a quiet machine.
test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

# Every export read by the loader of the trainer that it is for, each in an environment of its own: what its lock adds to
# the main one or puts before it. `make test-consumer-open_clip` runs one, `make -j2 test-consumers` two at a time.
test-consumers: $(CONSUMERS:%=test-consumer-%)

test-consumer-%: $(LOADERS)/%/ready $(LOADERS)/run
	$(LOADERS)/$*/bin/python -m pytest -q -p no:randomly -W default tests/consumers/$*

$(LOADERS)/%/ready: tests/consumers/%/requirements.lock $(READY)
	rm -rf $(LOADERS)/$*
	$(BIN)/python -m venv --without-pip $(LOADERS)/$*
	$(PIP) --python $(LOADERS)/$*/bin/python install --quiet --no-deps --requirement $<
	$(BIN)/python -m tests.consumers.environment layer $(LOADERS)/$*
	touch $@

# What they read is exported from a quickstart; when nothing changed, the run finds all its cells and takes seconds.
.PHONY: $(LOADERS)/run
$(LOADERS)/run: $(READY)
	$(BIN)/curate run quickstart --input 'nano/shards/world-00000[01].tar' --dataset $(LOADERS)/dataset

# What pip would add to the main environment for each consumer's requirements.in, pinned.
lock-consumers: $(CONSUMERS:%=tests/consumers/%/requirements.lock)

tests/consumers/%/requirements.lock: tests/consumers/%/requirements.in
	$(BIN)/python -m tests.consumers.environment lock tests/consumers/$*

quickstart: $(READY)
	$(BIN)/curate run quickstart --input 'nano/shards/*.tar' --dataset $(OUT)/quickstart

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

# What only a GPU can tell; without one a dry run with tiny models on the CPU, which says so. A step that is done under
# GPU_OUT is not run again. GPU_OPTIONS may be --publish, --only STEP, --work DIR: python -m benchmarks.gpu --help.
GPU_OUT ?= $(OUT)/bench/gpu
gpu: $(READY)
	$(BIN)/python -m benchmarks.gpu --out $(GPU_OUT) $(GPU_OPTIONS)

# The same steps at the smallest scale, all anew: does the benchmark work?
gpu-dry: $(READY)
	rm -rf $(OUT)/bench/gpu-dry
	$(BIN)/python -m benchmarks.gpu --out $(OUT)/bench/gpu-dry --scale nano --jobs 2 $(GPU_OPTIONS)

# Models trained on what curate selects and writes (docs/proofs.md): an hour of two quiet cores. What is done under OUT is
# not done again. PROOFS_OPTIONS may be --seeds N, --scale big --device cuda.
proofs: $(LOADERS)/open_clip/ready $(LOADERS)/trl/ready
	for proof in clip curriculum sft dpo; do $(BIN)/python -m nano.proofs.$$proof --out $(OUT)/proofs $(PROOFS_OPTIONS) || exit; done

# The same with a step or two a model and 40 images, all anew: do the proofs work?
proofs-dry:
	rm -rf $(OUT)/proofs/dry
	$(MAKE) proofs PROOFS_OPTIONS="--scale dry --seeds 1"

# The documentation site, from docs/ and the code, in an environment of its own; fails on a link that leads nowhere.
SITE := build/site
site: $(READY) $(SITE)/venv/ready
	$(BIN)/python docs/site/make_pages.py $(SITE)/pages
	NO_MKDOCS_2_WARNING=1 $(SITE)/venv/bin/mkdocs build --quiet

$(SITE)/venv/ready: docs/site/requirements.txt $(READY)
	rm -rf $(SITE)/venv
	$(PYTHON) -m venv --without-pip $(SITE)/venv
	$(PIP) --python $(SITE)/venv/bin/python install --quiet --no-deps --requirement $<
	touch $@

docs: $(READY)
	$(BIN)/python -m schemas.document docs/data-format.md

lock: $(READY)
	(grep '^#' requirements.lock; $(PIP) freeze --exclude-editable) > requirements.new && mv requirements.new requirements.lock

clean:
	rm -rf $(OUT) build dist .coverage .mypy_cache .ruff_cache .pytest_cache
