PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN ?= runs/first
SCENARIOS ?= which-prompt
STAMP := $(VENV)/.installed

.PHONY: run test check docs bench clean

# The main job: a real model, a real defence, a curious server, real attacks, a report.
# A refuted claim (1) or an inconclusive one (3) is a result; only status 2 and 4 are failures.
run: $(STAMP)
	@$(BIN)/latentleak run $(SCENARIOS) --out $(RUN) --resume || [ $$? -eq 1 -o $$? -eq 3 ]
	@$(BIN)/latentleak report $(RUN) --format md,html

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not clock" --durations=25
	$(BIN)/python -m pytest -m clock

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

# Into site/, without network: a warning is an error.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(STAMP)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python benchmarks/dp_bounds.py
	$(BIN)/python benchmarks/dp_releases.py
	$(BIN)/python benchmarks/he_update.py
	$(BIN)/python benchmarks/ckks_key_recovery.py

clean:
	rm -rf $(VENV) runs site

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@

# Strict editable mode lays real files, which mypy needs to follow the package.
$(VENV)/.installed-dev: $(STAMP)
	$(BIN)/python -m pip install --quiet -e '.[dev]' -C editable_mode=strict
	@touch $@

$(VENV)/.installed-docs: $(STAMP)
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	@touch $@
