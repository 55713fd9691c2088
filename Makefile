# Targets for a machine without ROS (Debian, Ubuntu; Python 3.10 to 3.13). In a ROS workspace use colcon: see README.md.
#
#   make demo [IMAGES=folder]   the node at work on the bundled RGB-D sequence, or on your photos
#   make test                   all tests, over real DDS between processes
#   make check                  lint, format, types
#   make clean                  removes what was built and installed here

PYTHON ?= python3
IMAGES ?= demo/sequence

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
ROS := source tools/env.sh &&
TORCH_FREE_TESTS := test/core test/ros

.PHONY: help demo test check env env-train clean

help:
	@sed -n 's/^#   //p' Makefile

env:
	@$(PYTHON) tools/bootstrap.py node

env-train:
	@$(PYTHON) tools/bootstrap.py train

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

clean:
	rm -rf .venv .venv-train build install log demo_out .mypy_cache .ruff_cache .pytest_cache
