# Everything runs in .venv and writes to _build; `make help` explains the verbs.

PROFILE ?= quick
DEVICE ?= auto
TIERS ?= A
PORT ?= 8000
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PAGE = _build/book/$(PROFILE)/_build/html/index.html
PIP = $(BIN)/python -m pip install --quiet --quiet
TORCH_PIP = $(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
# What tools keep of their own lies under _build, since a home may be read-only.
TOOLS = XDG_CACHE_HOME="$(CURDIR)/_build/tools/cache" JUPYTER_RUNTIME_DIR="$(CURDIR)/_build/tools/jupyter" \
	IPYTHONDIR="$(CURDIR)/_build/tools/ipython" MPLCONFIGDIR="$(CURDIR)/_build/tools/matplotlib"
SNAKEMAKE = $(TOOLS) $(BIN)/snakemake --directory _build --cores $(CORES) --rerun-triggers mtime --rerun-incomplete
ASKED = --config profile="$$PROFILE" device="$$DEVICE" tiers="$$TIERS" --
# A job says itself why it failed; what goes wrong before any job, --quiet would hide.
FAILED = { ls _build/.snakemake/locks/* >/dev/null 2>&1 && echo "$(LOCKED)" >&2; \
	$(SNAKEMAKE) --dry-run $(ASKED) $@ >_build/failed.txt 2>&1 || tail -n 5 _build/failed.txt >&2; exit 1; }
LOCKED = Another build is running here, or was killed. If none is: $(BIN)/snakemake --directory _build --cores 1 --unlock
OFFLINE = The packages could not be fetched. Without a network: elsewhere, 'pip download -d FOLDER' what requirements.lock \
and requirements-torch.txt list; bring the folder here; then PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER make env
TEST_CACHE := _build/test-cache

# Values go to the shell as variables, never as a part of a command.
export PROFILE DEVICE TIERS
export REPRODUCIBLE_CACHE ?= $(CURDIR)/_build/cache
export OMP_NUM_THREADS ?= 1
export REPRODUCIBLE_PROGRESS ?= $(shell test -t 2 && echo 1 || echo 0)
export PYTHONNOUSERSITE := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

define known
$(if $(filter-out $(3),$(2))$(filter-out 1,$(words $(2))),$(error $(1) cannot be '$(2)'. Known: $(subst %,1,$(3))))
endef
$(call known,PROFILE,$(PROFILE),smoke quick standard large)
$(call known,DEVICE,$(DEVICE),auto cpu cuda cuda:%)
$(call known,TIERS,$(TIERS),A B AB)

.PHONY: help env book test notebooks records serve bench clean

help:
	@echo "make env        create $(VENV) with the pinned packages"
	@echo "make book       run the notebooks at PROFILE, build the book, print where its first page is"
	@echo "make test       lint, tests, notebooks against their committed outputs, a strict build of the book"
	@echo "make notebooks  run the notebooks at profile smoke and store the outputs in notebooks/, to be committed"
	@echo "make records    run what is missing of the standard runs into data_manifests/records; hours, resumable"
	@echo "                PROFILE=large: of the runs on data sets that do not ship, at the documents' sizes with TIERS=AB"
	@echo "make serve      show the built book at http://localhost:$(PORT)"
	@echo "make bench      measure speed and memory on this machine"
	@echo "make clean      remove _build: pages, prepared data, cached maps and runs; $(VENV) and the records stay"
	@echo
	@echo "PROFILE=smoke|quick|standard|large  how much the book's notebooks train live, now $(PROFILE)"
	@echo "DEVICE=auto|cpu|cuda          where to train, now $(DEVICE)"
	@echo "TIERS=A|AB                    which arms 'make records' runs, now $(TIERS)"
	@echo "TORCH_INDEX=<address>         an index of CPU builds of PyTorch, for 'make env' without CUDA"
	@echo "REPRODUCIBLE_DATA=<folder>    further data sets, where they are at hand"
	@echo "REPRODUCIBLE_CACHE=<folder>   prepared data, cached maps, finished runs, now $(REPRODUCIBLE_CACHE)"

env: $(STAMP)
	@echo "$(VENV) is ready: . $(VENV)/bin/activate, then reproducible --help"

$(STAMP): requirements-torch.txt requirements.lock pyproject.toml .ci/venv
	@.ci/venv $(VENV)
	@echo "Installing the pinned packages into $(VENV): some minutes the first time ..."
	@$(PIP) --require-hashes --no-deps --requirement requirements.lock || { echo "$(OFFLINE)" >&2; exit 1; }
	@echo "Installing torch ..."
	@$(TORCH_PIP) --no-deps "$$(grep '^torchvision==' requirements-torch.txt)"
	@$(TORCH_PIP) "$$(grep '^torch==' requirements-torch.txt)"
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check
	@touch $@

book: $(STAMP)
	@mkdir -p _build
	@$(SNAKEMAKE) --quiet all $(ASKED) book || $(FAILED)
	@echo "The book (profile $(PROFILE)): file://$(CURDIR)/$(PAGE)"

# The notebooks and tests see the prepared data but no finished run, so that nothing passes on an old result.
$(TEST_CACHE): $(STAMP)
	@rm -rf $@
	@mkdir -p $@ "$$REPRODUCIBLE_CACHE/stores"
	@ln -s "$$REPRODUCIBLE_CACHE/stores" $@/stores
.PHONY: $(TEST_CACHE)

test: $(TEST_CACHE)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/codespell
	@$(BIN)/lint-imports > _build/imports.txt || { cat _build/imports.txt; exit 1; }
	@REPRODUCIBLE_CACHE="$(CURDIR)/$(TEST_CACHE)" REPRODUCIBLE_PROGRESS=0 $(BIN)/python -m pytest --quiet --durations 10 \
		--numprocesses $(CORES) --dist loadfile \
		--nbval-lax --nbval-current-env --nbval-kernel-startup-timeout 300 tests notebooks

notebooks: $(TEST_CACHE)
	@set -e; for notebook in notebooks/*.ipynb; do \
		echo "$$notebook"; \
		REPRODUCIBLE_CACHE="$(CURDIR)/$(TEST_CACHE)" \
			$(BIN)/reproducible book execute $$notebook _build/$$notebook; \
		mv _build/$$notebook $$notebook; \
	done

records: $(STAMP)
	@mkdir -p _build
	@$(SNAKEMAKE) --quiet all $(ASKED) records || $(FAILED)

serve:
	@test -f $(PAGE) || { echo "There is no book for profile $(PROFILE) yet: make book PROFILE=$(PROFILE)" >&2; exit 1; }
	@echo "http://localhost:$(PORT) (stop with Ctrl-C)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(dir $(PAGE))

bench: $(STAMP)
	@set -e; for script in benchmarks/*.py; do echo "$$script"; $(BIN)/python $$script; done

clean:
	rm -rf _build .import_linter_cache .pytest_cache .ruff_cache .hypothesis
