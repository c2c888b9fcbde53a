# Every target sets up what it needs on a fresh machine, and sets up nothing twice. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Tests in two processes, where there are two cores; a file stays whole in one, so that it compiles its networks once.
TOGETHER := -n logical --maxprocesses 2 --dist loadfile

# What users may set on the command line
DATA ?=
SPACE ?=
OUT ?=
ARGS ?=
LOCK ?=
export LOCK

.PHONY: evolve train export dashboard smoke test test-slow coverage check setup help

evolve: setup  ## Search hyperparameters, on the embedded data set or on DATA=dir [SPACE=file] [OUT=dir] [ARGS="--seed 1 ..."]
	@$(BIN)/evolve search $(if $(DATA),--data "$(DATA)") $(if $(SPACE),--space "$(SPACE)") $(if $(OUT),--out "$(OUT)") $(ARGS)

dashboard: setup  ## Show the searches of this checkout in MLflow, and open the latest one
	@$(BIN)/python -m evolve.commands.dashboard $(ARGS)

export: setup  ## Write the winner of the latest search to winner.yaml
	@$(BIN)/evolve winner runs/latest --out winner.yaml $(ARGS)

# Each winner has a folder of its own, named after its search and uid: runs/final-<search>-<uid>
FINAL = runs/final-$$(awk '/^[a-z]/ { part = $$1 } part == "search:" && /^  (id|uid):/ { printf "%s%s", dash, $$2; dash = "-" }' winner.yaml)

train: setup  ## Train the winner of the latest search at full length, or go on with that [DATA=dir] [OUT=dir]
	@if [ -e runs/latest ] || ! [ -f winner.yaml ]; then $(BIN)/evolve winner runs/latest --out winner.yaml; fi
	@out="$(or $(OUT),$(FINAL))"; echo "make train: winner.yaml -> $$out"; \
	    $(BIN)/evolve train winner.yaml $(if $(DATA),--data "$(DATA)") --out "$$out" $(ARGS)

smoke: setup  ## Run a real but small search on the embedded data set, in two or three minutes
	@$(BIN)/evolve search --population 6 --elites 2 --children 2 --generations 1 --steps 9 $(if $(OUT),--out "$(OUT)") $(ARGS)

test: setup  ## Run all tests that need no GPU and no network and are not marked slow
	@$(BIN)/python -m pytest -m "not slow" --durations=20 $(TOGETHER) $(ARGS)

test-slow: setup  ## Run the tests that are marked slow
	@$(BIN)/python -m pytest -m slow $(ARGS)

coverage: setup  ## Run the tests of `make test` and show which lines they miss; takes twice as long
	@$(BIN)/python -m pytest -m "not slow" --cov --cov-report=term $(TOGETHER) $(ARGS)

check: setup  ## Check lint, format, types and import arrows, and run the fast tests, in under three minutes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q -m "not slow and not medium" $(TOGETHER) $(ARGS)

setup:  ## Create .venv from the lock for this machine, or from LOCK=locks/cpu.txt or locks/cuda.txt, which is remembered
	@locks/install.sh $(if $(filter setup,$(MAKECMDGOALS)),--say)

help:  ## List these targets
	@awk -F ':.*##  *' '/^[a-z-]+:.*##/ { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
