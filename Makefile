# Every target sets up what it needs in $(VENV) first; `make test PYTHON=python3.12` picks the interpreter.

PYTHON  ?= $(shell command -v python3.11 || command -v python3)
VENV    ?= .venv
WORKERS ?= 2
ONLY    ?=
MINUTES ?= 10
SEED    ?= 0

BIN  := $(VENV)/bin
CORE := $(VENV)/.installed-core
DEV  := $(VENV)/.installed-dev
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test zoo bridge fuzz mutation bench docs lint fmt links clean

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(CORE)  ## compress the embedded model and show accuracy, size and latency before and after
	$(BIN)/python -m compressor demo

test: lint  ## everything a change must pass: lint, types, tests
	$(BIN)/python -m pytest -n $(WORKERS)

zoo: $(DEV)  ## sweep ../shared/zoo; ONLY=tv_ picks the names that start so
	$(BIN)/python -m tests.zoo_sweep $(if $(ONLY),--only $(ONLY))

bridge: $(DEV)  ## ONNX's own node tests, and ../shared/zoo, through the torch bridge
	$(BIN)/python -m tests.bridge.node_cases
	$(BIN)/python -m tests.bridge.zoo_sweep $(if $(ONLY),--only $(ONLY))

fuzz: $(DEV)  ## random graphs and removals for MINUTES=10, from SEED=0
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) --seed $(SEED)

mutation: $(DEV)  ## share of faults in the rules that the tests notice (about ten minutes)
	$(BIN)/python -m tests.fuzz.mutation

bench: $(DEV)  ## speed of analysis and rewrite
	$(BIN)/python -m tests.benchmarks

docs: $(DEV)  ## docs/ops.md (every op) and docs/reference.md (the Python API), from the code
	$(BIN)/python -m tests.op_table
	$(BIN)/python -m tests.api_reference

lint: $(DEV) links  ## ruff and strict mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: $(DEV)  ## format, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Type checkers know no finder: they read a tree in which passes/ and its kind lie inside compressor/.
links:
	@rm -rf build/links && mkdir -p build/links/compressor
	@cd build/links/compressor && ln -s ../../../compressor/* ../../../passes ../../../backends ../../../models .

clean:  ## remove what the other targets made, except $(VENV)
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output zoo-output
	find $(wildcard compressor passes backends models tests) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP_INSTALL) --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP_INSTALL) --editable '.[torch,dev]'
	@touch $(CORE) $@
