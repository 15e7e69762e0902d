# Two commands do everything: "make run" and "make test". "make help" lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test check format bench fuzz soak image lock translations screenshots docs clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: $(VENV)/.run  ## Run the proxy over a handle network of its own, and print links to try
	$(BIN)/handle-resolver demo

test: $(VENV)/.test  ## Run all tests; needs no root, and Chromium only for the browser tests
	$(BIN)/pytest -n 3 --dist loadfile $(PYTEST_ARGS)

check: $(VENV)/.test  ## Check style, format, types, the direction of imports and known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python requirements/audit.py requirements/runtime.txt requirements/test.txt requirements/build.txt

format: $(VENV)/.test  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test  ## Measure beside nginx, bare aiohttp and gunicorn, and write benchmarks/results.md
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

fuzz: $(VENV)/.test  ## Fuzz each reader of what strangers send; SECONDS=60 for each, needs Linux
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	$(BIN)/python -m fuzz --seconds $(or $(SECONDS),60)

soak: $(VENV)/.test  ## Visitors for MINUTES=25, while all that we depend on fails in turn; writes soak/report.md
	$(BIN)/python -m soak --minutes $(or $(MINUTES),25)

image:  ## Build the container image with podman, docker or buildah; TAG=name, BASE=image to build on
	@BASE=$(BASE) deploy/build-image.sh $(TAG)

lock: $(VENV)/.venv  ## Choose versions anew after a change of pyproject.toml; UPGRADE=yes: the newest of all
	UPGRADE=$(UPGRADE) requirements/lock.sh $(BIN)/python

translations: $(VENV)/.test  ## Put new words of the pages into templates/languages/*.po, to be translated there
	$(BIN)/pybabel --quiet extract -F pyproject.toml -k phrase -k count_phrase:1,2 --add-location=file \
	  -o $(VENV)/pages.pot resolver templates
	@for file in templates/languages/*.po; do \
	 $(BIN)/pybabel --quiet update --no-fuzzy-matching --ignore-obsolete -w 100 \
	  -l $$(basename $$file .po) -i $(VENV)/pages.pot -o $$file; done

screenshots: $(VENV)/.test  ## Take the pictures in docs/screenshots anew
	$(BIN)/python -m tests.browser.screenshots

docs: $(VENV)/.test  ## Write the table of settings in README.md anew
	$(BIN)/python -m resolver.config_table README.md

clean:  ## Remove what the other targets have made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis benchmarks/out fuzz/out

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	 { echo "Python 3.11 or newer is needed; name it with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.venv pyproject.toml requirements/runtime.txt
	@requirements/install.sh $(BIN)/python runtime ''
	@touch $@

$(VENV)/.test: $(VENV)/.venv pyproject.toml requirements/test.txt
	@requirements/install.sh $(BIN)/python test '[test,deploy,lint]'
	@touch $@ $(VENV)/.run
