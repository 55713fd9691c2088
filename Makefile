# Targets for a machine without ROS (Debian, Ubuntu; Python 3.10 to 3.13). In a ROS workspace use colcon: see README.md.
#
#   make demo [IMAGES=folder]   the node at work on the bundled RGB-D sequence, or on your photos (with depth: docs/ros.md)
#   make test                   all tests, over real DDS between processes
#   make test-fast              the same without the slow ones
#   make env                    ROS 2 and the node's libraries in .venv, the built package in install/
#   make env-train              torch and the simulators in .venv-train, 7 GB; TORCH=cpu: without CUDA, 2.4 GB
#   make check                  lint, format, types
#   make train                  saom-tiny from nothing: scenes, training, figures, export (hours; resumes where it was)
#   make reproduce              what SAOM gains over a SAM-like base, and the worth of each step (hours; resumes where it was)
#   make docs                   tutorials, pages and the Python API as build/docs/index.html
#   make clean                  removes what was built and installed here

PYTHON ?= python3
IMAGES ?= demo/sequence
TORCH ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
ROS := source tools/env.sh &&
# which tests: make test SELECT='-k matcher'
SELECT ?=

.PHONY: help demo test test-fast node-tests training-tests check train reproduce env env-train docs clean

help:
	@sed -n 's/^#   //p' Makefile

env:
	@$(PYTHON) tools/bootstrap.py node

env-train:
	@$(PYTHON) tools/bootstrap.py train --torch "$(TORCH)"

demo: env
	@$(ROS) python -m tools.demo --images "$(IMAGES)"

# The suites of the two environments run side by side and share nothing. Each prints when it has ended, so that pytest's
# summaries close the output; torch gets one thread, because the node's suite has the other core.
test: env env-train
	@$(MAKE) --no-print-directory --output-sync --keep-going -j2 node-tests training-tests SELECT="$(SELECT)" \
	    TRAINING_TESTS="$(TRAINING_TESTS)"

# what is tested in the training side's environment; the quick round leaves what needs neither torch nor onnx to the node's
TRAINING_TESTS := test/core test/training
test-fast: SELECT := -m 'not slow'
test-fast: TRAINING_TESTS := test/core/sam test/core/model_file/test_contract.py test/training
test-fast: test

node-tests:
	@$(ROS) pytest -o cache_dir=.pytest_cache/node --durations=15 test/core test/ros $(SELECT)

training-tests:
	@OMP_NUM_THREADS=1 .venv-train/bin/python -m pytest -o cache_dir=.pytest_cache/training --durations=15 $(TRAINING_TESTS) $(SELECT)

check: env
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

# most steps at a small size, where a step costs less than half; the last ones at the size that is exported
SAOM := .venv-train/bin/saom
FRAMES ?= 7200
STEPS ?= 6000
train: env-train
	$(SAOM) collect --out data/rooms --frames $(FRAMES) --size 400x300 --workers $$(nproc) --seed 1000
	$(SAOM) finetune --data data/rooms --out runs/small --size 256x192 --drop-depth 0.4 --steps $(STEPS) --fused
	$(SAOM) finetune --data data/rooms --out runs/full --size 384x288 --drop-depth 0.4 --steps $$(($(STEPS) / 3)) \
	    --learning-rate 8e-4 --init runs/small/last --fused
	$(SAOM) finetune --data data/rooms --out runs/named --classes-only --object-width 40 --drop-depth 0.35 \
	    --init runs/full/last
	$(SAOM) export runs/named/last runs/saom-tiny.onnx
	$(SAOM) evaluate --data data/rooms --split test --model runs/saom-tiny.onnx --json runs/figures.json
	$(SAOM) export runs/named/last runs/saom-tiny.onnx --figures runs/figures.json --reference data/rooms

reproduce: env-train
	$(SAOM) collect --out data/reproduce --frames 4000 --size 512x384 --workers $$(nproc) --seed 2000
	$(SAOM) reproduce --data data/reproduce --out runs/reproduce --limit 30 --threads 1 --jobs $$(nproc)

docs: env
	@.venv/bin/python -m pip install -q -r requirements/docs.txt
	@.venv/bin/zensical build -f mkdocs.yml
	@echo build/docs/index.html

clean:
	rm -rf .venv .venv-train build install log demo_out .mypy_cache .ruff_cache .pytest_cache
