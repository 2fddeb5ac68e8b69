# make demo: train and test a small CycleGAN on real images.    make test: lint, types, tests.
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check
# visdom is published as source and needs an older setuptools to build than pip would fetch.
BUILD  := "setuptools<81" wheel

.PHONY: demo test slow check lint clean help
help:
	@sed -n '1p' Makefile; echo "make slow (browsers, planted faults), make lint, make check (tests only), make clean (removes $(VENV), never your runs)"

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed; try: make PYTHON=python3.12 ...")'
	@echo "== making the environment in $(VENV) (PyTorch is large: this takes some minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@grep -vE '^(visdom|tornado|#)' requirements.txt > $(VENV)/required.txt
	$(PIP) -r $(VENV)/required.txt
	@$(PIP) $(BUILD) && $(PIP) --no-build-isolation -r requirements.txt || echo "== visdom did not build; everything but the live display works without it"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@echo "== installing the test tools"
	$(PIP) -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.installed
	@$(PY) scripts/demo.py $(if $(SEED),--seed $(SEED))

test: lint check

lint: $(VENV)/.installed-dev
	@$(PY) scripts/tests.py --only lint

check: $(VENV)/.installed-dev
	@$(PY) scripts/tests.py --only check

slow: $(VENV)/.installed-dev
	@$(PY) scripts/tests.py --only slow

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
