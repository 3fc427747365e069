# The commands of VAE Studio. `make help` lists them.
PYTHON ?= python3
ARGS ?=
PYTEST_ARGS ?=

VENV := .venv
LOWEST := .venv-lowest
# A process for each core, four at most; one that has run out of tests takes over half of another's.
# PYTEST_ARGS="-n 0" keeps to one process, as a plain pytest does.
PYTEST := -m pytest -n auto --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test test-all test-lowest bench lint format lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/installed ## install if needed, then open the window; make run ARGS="models" passes arguments on
	@$(VENV)/bin/python -m vae_studio $(ARGS)

test: lint $(VENV)/installed-tests ## lint, then the tests that take seconds; PYTEST_ARGS="-k map" passes arguments on
	$(VENV)/bin/python $(PYTEST) $(PYTEST_ARGS)

test-all: lint $(VENV)/installed-tests ## lint, then all tests, the slow ones too
	$(VENV)/bin/python $(PYTEST) -m "" $(PYTEST_ARGS)

test-lowest: $(LOWEST)/installed-tests ## the tests with the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/python $(PYTEST) $(PYTEST_ARGS)

bench: $(VENV)/installed-tests ## measure speed here, twenty minutes on two idle cores; ARGS=--quick for two
	$(VENV)/bin/python -m vae_studio bench --out build/bench.json $(ARGS)

lint: $(VENV)/installed-tests ## check style and formatting
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/installed-tests ## put style and formatting right
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

lock: ## write the versions installed in .venv to constraints.txt
	$(VENV)/bin/python packaging/lock.py > constraints.txt.part
	mv constraints.txt.part constraints.txt

clean: ## remove the environments and all that was built
	rm -rf $(VENV) $(LOWEST) build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# `installed` and `installed-tests` are written last, after a complete install, and removed before one: an interrupted
# install leaves neither, and the next command takes up where it stopped.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(call ensure-venv,$(VENV))
	@rm -f $(VENV)/installed $(VENV)/installed-tests
	$(VENV)/bin/python -m pip install --editable . --constraint constraints.txt
	@touch $@

$(VENV)/installed-tests: pyproject.toml constraints.txt
	@$(call ensure-venv,$(VENV))
	@rm -f $(VENV)/installed $(VENV)/installed-tests
	$(VENV)/bin/python -m pip install --editable '.[test]' --constraint constraints.txt
	@touch $(VENV)/installed $@

$(LOWEST)/installed-tests: pyproject.toml packaging/lowest.py
	@$(call ensure-venv,$(LOWEST))
	@rm -f $@
	$(LOWEST)/bin/python packaging/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --editable '.[test]' --constraint $(LOWEST)/lowest.txt
	@touch $@

# An environment is made where there is none, and made anew where it has no pip (`python -m venv` was interrupted) or an
# old Python. This needs a Python that is new enough, and on Debian and Ubuntu the package python3-venv.
define ensure-venv
$(1)/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && exit; \
say() { echo "$$*" >&2; exit 1; }; \
command -v "$(PYTHON)" >/dev/null || \
  say "There is no $(PYTHON) here. VAE Studio needs Python 3.11 or newer; to name one: make PYTHON=/path/to/python3 run"; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  say "VAE Studio needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" -V 2>&1)." \
    "To name another one: make PYTHON=python3.12 run"; \
"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
  say "$(PYTHON) cannot make environments. On Debian or Ubuntu: sudo apt-get install python3-venv"; \
echo "Making $(1)"; "$(PYTHON)" -m venv --clear $(1)
endef
