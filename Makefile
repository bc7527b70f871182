# Two commands: `make reproduce` and `make test`. `make` alone lists the others.
#
#   BENCHMARK=smoke      run config/smoke.yaml instead of the default benchmark
#   CONFIG=my.yaml       lay own settings over it (several: CONFIG="a.yaml b.yaml"; the benchmark: is named in them)
#   CORES=4              use that many cores (default: all; for the tests two)
#   PYTHON=python3.12    make the environment with this Python
#   PORT=5000            of the MLflow UI
#   BASE=HEAD            make test-fast looks at what changed since this commit
#   N=1500               mutated inputs of make campaign
#   KILLS=10             kills of make campaign
#   TIMES=1              how often slurm-test and postgres-test repeat each kill (in the environment)
#   SEED=0               of all that is random in make campaign

BENCHMARK ?= saccades
CONFIG ?=
CORES ?= all
PYTHON ?= python3
PORT ?= 5000
BASE ?= HEAD
N ?= 1500
KILLS ?= 10
SEED ?= 0

VENV := .venv
BIN := $(VENV)/bin
# The environment is as the lock says if this file is there: its name holds the sum of what made it.
STAMP := $(VENV)/.made-$(shell { $(PYTHON) -V; cat requirements.lock pyproject.toml; } 2>&1 | cksum | cut -d' ' -f1)
OVERLAYS := $(if $(filter-out saccades,$(BENCHMARK)),config/$(BENCHMARK).yaml) $(CONFIG)
CONFIGFILE := $(if $(strip $(OVERLAYS)),--configfile $(OVERLAYS))
# What the settings call the benchmark: its results and reports lie under this name.
NAME = $(shell sed -n 's/^benchmark: *\([A-Za-z0-9_.-]*\).*/\1/p' config/config.yaml $(OVERLAYS) 2> /dev/null | tail -n 1)
STORE = results/$(NAME)/mlflow/mlflow.db

# Where the home is read-only, Snakemake has no folder for its cache, and ends in a traceback.
CACHE := $(shell for d in "$${XDG_CACHE_HOME:-$$HOME/.cache}/snakemake" "$${XDG_CACHE_HOME:-$$HOME/.cache}" "$$HOME" /; do \
  if [ -e "$$d" ]; then [ -w "$$d" ] || echo no; break; fi; done)
ifeq ($(CACHE),no)
export XDG_CACHE_HOME := $(CURDIR)/.snakemake/cache
endif

export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
# The UI is for looking: no workers for jobs of language models beside it.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false

.DEFAULT_GOAL := help
.PHONY: campaign audit sbom lock-check docs docs-links nir-frameworks help env reproduce test test-fast slurm-test kubernetes-test container-test postgres-test lint format bench plan status ui sync clean distclean

help: ## list the targets
	@echo "Targets (see the head of the Makefile for BENCHMARK, CONFIG, CORES):"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

env: $(STAMP) ## make the environment .venv from the exact pins of requirements.lock

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
	  echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null || { \
	  echo "error: $(PYTHON) has no venv module; install it (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 2; }
	@echo "environment: $(VENV), $$($(PYTHON) -V), $$(grep -c == requirements.lock) packages of requirements.lock (minutes, once)"
	@rm -f $(VENV)/.made-*
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "kernels: compiled into snn/**/__pycache__ (a minute, once)"
	@$(BIN)/snn compile > $(VENV)/compile.log 2>&1 || { cat $(VENV)/compile.log >&2; exit 2; }
	@touch $@

reproduce: env ## run the benchmark up to the rendered report; what is done already stays
	@echo "reproduce: $(NAME) on $(CORES) cores: convert, train, sweep, deploy, collect, report, MLflow"
	@$(BIN)/snn watch $(CONFIGFILE) -- $(BIN)/snakemake --cores $(CORES) $(CONFIGFILE)
	@echo "report: $(CURDIR)/reports/$(NAME)/index.html"

test: env ## run the tests
	@echo "test: pytest on $(or $(filter-out all,$(CORES)),2) cores, slowest tests listed at the end"
	@$(BIN)/python -m pytest -n $(or $(filter-out all,$(CORES)),2) --dist loadgroup --durations 10

test-fast: env ## the tests of the rooms changed since BASE (all unit tests if none is)
	@$(BIN)/python tools/fast_tests.py $(BASE)

campaign: env ## damaged inputs, kills, full disks, odd surroundings: minutes (docs/campaign.md)
	@$(BIN)/python -m tests.campaign --inputs $(N) --kills $(KILLS) --seed $(SEED)

# These programs have an environment of their own: the suite does not need them.
AUDIT := .audit
$(AUDIT)/.made: tools/audit.txt
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/pip install -qq --disable-pip-version-check -r tools/audit.txt
	@touch $@

audit: $(AUDIT)/.made ## known vulnerabilities of the lock; status 3 where no database could be reached
	@$(AUDIT)/bin/python tools/audit.py $(AUDIT)/bin/pip-audit

sbom: $(AUDIT)/.made ## write sbom.json, a software bill of materials of the lock (CycloneDX)
	@$(AUDIT)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --mc-type application \
	  --short-PURLs --output-reproducible --of JSON -o sbom.json
	@echo "sbom: sbom.json, $$(grep -c '"purl"' sbom.json) packages"

lock-check: env ## whether requirements.lock is what tools/lock.py writes from this environment
	@$(BIN)/python tools/lock.py --check

slurm-test: env ## the workflow through a one-node Slurm on loopback (skipped where it is not installed)
	@tools/slurm_test.sh

kubernetes-test: env ## the workflow through S3 and a stand-in for Kubernetes (skipped where the plug-ins are missing)
	@tools/kubernetes_test.sh

container-test: ## the steps of the image in a bare Debian tree (skipped without debootstrap)
	@tools/container_test.sh

# Environments of their own: these frameworks need other versions of package nir than this project.
nir-frameworks: ## make the environments of other frameworks, which write NIR files for tests (.frameworks/, gigabytes)
	@for file in tests/frameworks/requirements/*.txt; do \
	  name=$$(basename $$file .txt); echo "nir-frameworks: .frameworks/$$name"; \
	  $(PYTHON) -m venv .frameworks/$$name && .frameworks/$$name/bin/pip install -qq --disable-pip-version-check -r $$file || exit 2; \
	done
	@.frameworks/sinabs/bin/pip install -qq --disable-pip-version-check --no-deps sinabs==3.1.3
	@echo "now: python -m pytest tests/frameworks tests/events/test_quantise.py"

# -E -a: every page is read anew, since some are made from the code, and warnings of pages read before would be lost
docs: env ## build the documentation site from docs/, without a network; warnings are errors
	@$(BIN)/python -m sphinx -q -W --keep-going -E -a -d .docs/cache docs .docs/html
	@echo "docs: $(CURDIR)/.docs/html/index.html"

docs-links: env ## look whether the external links of the documentation lead somewhere (needs a network)
	@$(BIN)/python -m sphinx -q -b linkcheck -d .docs/cache docs .docs/links

lint: env ## ruff, mypy, snakefmt and snakemake --lint; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint $(CONFIGFILE)

format: env ## bring the sources into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt workflow
	$(BIN)/python -m snn schema > workflow/schemas/config.schema.json

bench: env ## measure our numerical code against its rivals
	@$(BIN)/python -m benchmarks

plan: env ## show the matrix of cells before anything runs
	@$(BIN)/snn plan $(CONFIGFILE)

status: env ## show the matrix as a grid of done, missing and failed, what runs and the time left
	@$(BIN)/snn status $(CONFIGFILE)

ui: env ## open the MLflow UI on 127.0.0.1
	@test -z "$$MLFLOW_TRACKING_URI" || { \
	  echo "error: MLFLOW_TRACKING_URI is set, its server shows the results; unset it for the local store" >&2; exit 2; }
	@test -f $(STORE) || { \
	  echo "error: $(STORE) is not there; run \`make reproduce\`, or \`make sync\` where results are there" >&2; exit 2; }
	@echo "ui: http://127.0.0.1:$(PORT)/#/experiments/1/runs?compareRunsMode=CHART (Ctrl-C ends it)"
	@$(BIN)/mlflow ui --backend-store-uri "sqlite:///$(CURDIR)/$(STORE)" --host 127.0.0.1 --port $(PORT) --workers 1

sync: env ## make MLflow show what the files say; rebuilds a deleted store
	@$(BIN)/snn mlflow-sync $(CONFIGFILE)

postgres-test: env ## run the commands of docs/mlflow_server.md: Postgres and an MLflow server on loopback
	@$(BIN)/python -m pytest tests/tracking/test_postgres.py -v -rs

clean: ## remove results/ and the rendered reports that git does not keep
	@echo "clean: results/ and rendered reports"
	@rm -rf results
	@git clean -fdXq reports

distclean: clean ## clean, and remove the environment and all caches
	@echo "distclean: $(VENV) and caches"
	@rm -rf $(VENV) $(AUDIT) sbom.json .docs .snakemake .pytest_cache .ruff_cache .hypothesis *.egg-info
