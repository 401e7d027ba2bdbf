# Everything runs in .venv and writes to _build; `make help` explains the verbs.

PROFILE ?= quick
DEVICE ?= auto
TORCH_INDEX ?=
PORT ?= 8000

SHELL := /bin/sh
ROOT := $(CURDIR)
VENV := .venv
BIN := $(ROOT)/$(VENV)/bin
STAMP := $(VENV)/.installed
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PAGE := $(ROOT)/_build/book/$(PROFILE)/_build/html
SNAKEMAKE = $(BIN)/snakemake --snakefile Snakefile --directory _build --cores $(CORES) --rerun-triggers mtime \
	--rerun-incomplete --quiet rules host progress --config profile=$(PROFILE) device=$(DEVICE) --
PIP = $(BIN)/python -m pip install --quiet --quiet

export REPRODUCIBLE_CACHE ?= $(ROOT)/_build/cache
export OMP_NUM_THREADS ?= 1
export PYTHONNOUSERSITE := 1
export PATH := $(BIN):$(PATH)

.PHONY: help env book test notebooks records serve bench clean

help:
	@echo "make env        create .venv with the pinned packages (TORCH_INDEX=<index of CPU wheels> avoids CUDA)"
	@echo "make book       run the notebooks at PROFILE and build the book; prints where its first page is"
	@echo "make test       lint, unit tests, the notebooks against their committed outputs, a strict book build"
	@echo "make notebooks  run the committed notebooks again at profile smoke and store their outputs"
	@echo "make records    run what is missing of the studies' standard runs; hours, resumable (KEEP: data_manifests/records)"
	@echo "make serve      show the built book at http://localhost:$(PORT)"
	@echo "make bench      measure speed and memory on this machine"
	@echo "make clean      remove _build: built pages, prepared data, cached runs (.venv stays)"
	@echo
	@echo "PROFILE=smoke|quick|standard  how much the book's notebooks run live          (now: $(PROFILE))"
	@echo "DEVICE=auto|cpu|cuda          where tensors live                              (now: $(DEVICE))"
	@echo "REPRODUCIBLE_DATA=<folder>    further data sets and weights, where at hand    (now: $(or $(REPRODUCIBLE_DATA),none))"
	@echo "REPRODUCIBLE_CACHE=<folder>   prepared data and finished runs                 (now: $(REPRODUCIBLE_CACHE))"

env: $(STAMP)

$(STAMP): requirements-torch.txt requirements.lock pyproject.toml .ci/venv
	@.ci/venv $(VENV)
	@echo "Installing the pinned packages into $(VENV) (a few minutes the first time) ..."
	@$(PIP) --require-hashes --no-deps --requirement requirements.lock
	@echo "Installing torch ..."
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) --no-deps "$$(grep '^torchvision==' requirements-torch.txt)"
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements-torch.txt)"
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check
	@touch $@

