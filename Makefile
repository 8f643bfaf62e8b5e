# The project's commands. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# What `setup` installs packages for; see envs/.
ROLES := python workflow test-computer middlebox-server

# Processes that run tests: more than processors, since tests wait half of the time; each takes some 500 MB at its most.
WORKERS ?= $(shell echo $$(($$(nproc) < 5 ? $$(nproc) + 1 : 6)))

.DEFAULT_GOAL := help
.PHONY: help all demo preflight remeasure publish reproduce test bench lab lab-down test-lab test-slurm test-stock lint format docs lock setup packages down clean
.NOTPARALLEL:

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

all: setup ## install what is missing, measure the whole study, publish the report
	$(BIN)/snakemake --cores 1 -- all

demo: setup ## three chains, three frame sizes, and their report: a first look in two minutes
	$(BIN)/snakemake --cores 2 --config 'testbeds=[local]' 'chain_lengths=[1,2,4]' 'frame_sizes=[60,800,1500]' \
		trial=quick controls=none results_folder=results-demo -- results-demo/local/report/index.html

preflight: $(INSTALLED) ## say what a run would measure, why, and how long it takes; measure nothing
	$(BIN)/snakemake --cores 1 --dry-run -- all

test test-lab test-stock: ROLES += lab tests
test-slurm: ROLES += slurm tests
test: setup ## install what is missing, run the tests (of those on the emulated Xen host, the quick ones)
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

bench: setup build/npf/installed ## measure against targets, and in turns against Mininet and NPF (about 20 minutes)
	envs/install-packages bench
	$(MAKE) --silent --directory workflow/unikernel BUILD=../../build/unikernel
	$(BIN)/python bench

build/npf/installed: envs/npf.lock # apart from ours: what NPF needs are other versions
	$(PYTHON) -m venv build/npf
	build/npf/bin/pip install --quiet --quiet --disable-pip-version-check --require-hashes --no-deps --requirement $<
	touch $@

remeasure: $(INSTALLED) ## archive the cells near drift, measure them again, publish
	$(BIN)/middlebench archive --flag drift
	$(BIN)/snakemake --cores 1 -- all

lab: ROLES += lab
lab: setup ## boot an emulated Xen host and sweep 1, 2 and 4 Linux domains on it (ten minutes)
	$(BIN)/snakemake --cores 1 --config 'testbeds=[lab]' 'chain_lengths=[1,2,4]' 'frame_sizes=[60,800,1500]' \
		trial=emulated controls=none -- all

lab-down: $(INSTALLED) ## stop the emulated Xen host
	$(BIN)/middlebench down lab

test-lab: setup ## run every test on the emulated Xen host (ten minutes)
	MIDDLEBENCH_LAB=1 $(BIN)/pytest tests/lab

test-slurm: setup ## sweep two testbeds at once on a SLURM cluster of this machine, cancelled and killed (some minutes, root)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement envs/slurm.lock
	MIDDLEBENCH_SLURM=1 $(BIN)/pytest tests/slurm

test-stock: setup ## run a small sweep on emulated stock Debian 12 and 13 machines, as user and as root (an hour)
	MIDDLEBENCH_STOCK=1 $(BIN)/pytest tests/stock

publish: setup ## pack the results of each testbed as one file that an archive such as Zenodo takes
	$(BIN)/middlebench publish

reproduce: setup ## make all tables and figures of packed results anew (FROM=results/local.zip), and compare them byte for byte
	@[ "$(FROM)" ] || { echo "name the packed results: make reproduce FROM=results/local.zip" >&2; exit 2; }
	$(BIN)/middlebench reproduce "$(FROM)"

lint: $(INSTALLED) ## check format, rules, types, imports of the library and of the tests, and the workflow's style
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --collect-only -qqq
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint

format: $(INSTALLED) ## bring all code into its format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/snakefmt Snakefile workflow/Snakefile workflow/rules

docs: $(INSTALLED) ## make config/README.md and the config's schemas from the models
	$(BIN)/middlebench schema

lock: $(INSTALLED) ## resolve the dependencies anew and pin them
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras \
		--extra dev --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
	printf '%s\n' snakemake-executor-plugin-slurm snakemake-executor-plugin-slurm-jobstep | $(BIN)/uv pip compile --quiet \
		--upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-deps \
		--custom-compile-command "make lock" --output-file envs/slurm.lock -
	echo npf | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-package typing --custom-compile-command "make lock" --output-file envs/npf.lock - # Python has typing itself

setup: packages $(INSTALLED) ## install what is missing: Debian packages and Python packages
	@$(BIN)/python -m compileall -q workflow # by each of hundreds of jobs else, where PYTHONDONTWRITEBYTECODE is set

packages: # all in one round, so that a password is asked for once
	@envs/install-packages $(ROLES)

$(INSTALLED): requirements.lock pyproject.toml
	@envs/install-packages python
	@echo "Installing Python packages into $(VENV), from requirements.lock: one to two minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

down: $(INSTALLED) ## remove all that is live: chains, switches, namespaces, processes of ours
	$(BIN)/middlebench down

clean: ## remove what was made here: results, environment, caches (takes live chains down first)
	[ ! -e $(INSTALLED) ] || $(BIN)/middlebench down
	rm -rf $(VENV) .snakemake results results-demo results-reproduced build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
