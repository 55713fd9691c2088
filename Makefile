# Targets for a machine without ROS (Debian, Ubuntu; Python 3.10 to 3.13). In a ROS workspace use colcon: see README.md.
#
#   make demo [IMAGES=folder]   the node at work on the bundled RGB-D sequence, or on your photos
#   make test                   all tests, over real DDS between processes
#   make env, make env-train    the two environments alone; TORCH=cpu: torch without CUDA, 5 GB less, from PyTorch's own index
#   make check                  lint, format, types
#   make train                  saom-tiny from nothing: scenes, training, figures, export (hours; resumes where it was)
#   make reproduce              what SAOM gains over a SAM-like base, and the worth of each step (hours; resumes where it was)
#   make clean                  removes what was built and installed here

PYTHON ?= python3
IMAGES ?= demo/sequence
TORCH ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
ROS := source tools/env.sh &&
TORCH_FREE_TESTS := test/core test/ros

.PHONY: help demo test check train reproduce env env-train clean

help:
	@sed -n 's/^#   //p' Makefile

env:
	@$(PYTHON) tools/bootstrap.py node

env-train:
	@$(PYTHON) tools/bootstrap.py train --torch "$(TORCH)"

demo: env
	@$(ROS) python -m tools.demo --images "$(IMAGES)"

# pytest's own summaries close the output: first of the node's environment, then of the training side's
test: env env-train
	@$(ROS) pytest $(TORCH_FREE_TESTS)
	@.venv-train/bin/python -m pytest test/core test/training

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

clean:
	rm -rf .venv .venv-train build install log demo_out .mypy_cache .ruff_cache .pytest_cache
