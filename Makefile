# Two commands do everything: "make run" and "make test". "make help" lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test check format bench image clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: $(VENV)/.run  ## Run the proxy over a handle network of its own, and print links to try
	$(BIN)/handle-resolver demo

test: $(VENV)/.test  ## Run all tests; needs no root, and Chromium only for the browser tests
	$(BIN)/pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

check: $(VENV)/.test  ## Check style, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.test  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test  ## Measure, beside a bare aiohttp handler, and write benchmarks/results.md
	$(BIN)/python -m benchmarks

image:  ## Build the container image with whichever of podman, buildah or docker is there
	@for tool in podman docker; do command -v $$tool >/dev/null && exec $$tool build -t handle-resolver .; done; \
	 command -v buildah >/dev/null && exec buildah bud --format docker -t handle-resolver .; \
	 echo "none of podman, docker, buildah is installed" >&2; exit 1

clean:  ## Remove what the other targets have made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis benchmarks/out

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	 { echo "Python 3.11 or newer is needed; name it with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.venv pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.venv pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@ $(VENV)/.run
