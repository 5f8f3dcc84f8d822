# make hedge-mvp: set up, and run on what lies in data/raw (or a sample), or on the files that
# SPOT, PERP and FUNDING name. make fetch: set up, and download to data/raw. make docs: set up, and
# describe the database on a page. make published: set up, and reproduce the published result.
# make results: set up, and compute the figures of README and docs again. make notebook: set up with
# JupyterLab, and open the notebook on the build that is there, or on a first one; HEDGE_DATABASE
# names another. make notebook-outputs: set up, and write the notebook again with its outputs on the
# sample. make test: set up, and run every test. make check: set up, and check layout, style and
# types of the Python. make lint: the same, and the SQL. make bench: set up, and measure the project
# against its peers (PARTS, SYMBOLS and ROUNDS select less); make bench-quick: in two minutes.

PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin

# Which variables each goal reads: another one on the command line is a typing error.
OF_RUN = SPOT PERP FUNDING SYMBOL TIMEFRAME FEES_BPS OUT
READ_BY_fetch = SYMBOL START END INTERVAL OUT BASE_URL
READ_BY_hedge-mvp = $(OF_RUN)
READ_BY_docs = $(OF_RUN)
READ_BY_notebook = $(OF_RUN) HEDGE_DATABASE
READ_BY_published = SPOT PERP FUNDING PAGE
READ_BY_results = SPOT PERP FUNDING
READ_BY_bench = SYMBOLS ROUNDS PARTS

GOALS = $(or $(MAKECMDGOALS),help)
READ = PYTHON VENV HEDGE_MEMORY_LIMIT $(foreach goal,$(GOALS),$(READ_BY_$(goal)))
GIVEN = $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
UNREAD = $(filter-out $(READ) MAKEOVERRIDES -*,$(GIVEN))
$(if $(UNREAD),$(error make $(GOALS) does not read $(UNREAD): it reads \
	$(or $(strip $(foreach goal,$(GOALS),$(READ_BY_$(goal)))),none)))

.PHONY: help setup setup-dev sample fetch hedge-mvp docs published results notebook \
	notebook-outputs bench bench-quick test check lint clean

help:
	@echo "make hedge-mvp [SPOT= PERP= FUNDING= SYMBOL= TIMEFRAME= FEES_BPS= OUT=]   build, and print the run folder"
	@echo "make fetch SYMBOL= START= END= [INTERVAL= OUT=]                   download from Binance's dumps"
	@echo "make docs                                                         every table, column, macro and test on a page"
	@echo "make published SPOT= PERP= FUNDING= [PAGE=]                       reproduce the published result"
	@echo "make results SPOT= PERP= FUNDING=                                 the figures of README and docs again"
	@echo "make notebook                                                     open the notebook in JupyterLab"
	@echo "make notebook-outputs                                             write its outputs again, on sample data"
	@echo "make bench [SYMBOLS= ROUNDS= PARTS=]                              against pandas and polars; writes docs/benchmarks.md"
	@echo "make bench-quick                                                  the same in two minutes, written nowhere"
	@echo "make test                                                         run every test"
	@echo "make check                                                        layout, style and types of the Python (ruff, mypy)"
	@echo "make lint                                                         the same, and the style of the SQL (sqlfluff)"
	@echo "make sample                                                       write sample data to data/raw"
	@echo "make clean                                                        remove the environment and what dbt wrote"

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

setup-dev: $(VENV)/.installed-dev

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt | $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/.installed-notebook: requirements-notebook.txt requirements.txt | $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-notebook.txt
	@touch $@

sample: setup
	@$(BIN)/python -m scripts.sample_data

fetch: setup
	@set -f; set -- --symbol $$SYMBOL --start "$$START" --end "$$END"; \
	if [ -n "$$INTERVAL" ]; then set -- "$$@" --interval "$$INTERVAL"; fi; \
	if [ -n "$$OUT" ]; then set -- "$$@" --out "$$OUT"; fi; \
	if [ -n "$$BASE_URL" ]; then set -- "$$@" --base-url "$$BASE_URL"; fi; \
	$(BIN)/python -m scripts.fetch "$$@"

hedge-mvp: setup
	@if [ -z "$$SPOT$$PERP$$FUNDING" ] && ! ls data/raw/*.parquet >/dev/null 2>&1; then \
		echo "data/raw is empty: writing 12 months of sample data" >&2; \
		$(BIN)/python -m scripts.sample_data >&2; \
	fi
	@set --; \
	if [ -n "$$SPOT" ]; then set -- "$$@" --spot "$$SPOT"; fi; \
	if [ -n "$$PERP" ]; then set -- "$$@" --perp "$$PERP"; fi; \
	if [ -n "$$FUNDING" ]; then set -- "$$@" --funding "$$FUNDING"; fi; \
	if [ -n "$$SYMBOL" ]; then set -- "$$@" --symbol "$$SYMBOL"; fi; \
	if [ -n "$$TIMEFRAME" ]; then set -- "$$@" --timeframe "$$TIMEFRAME"; fi; \
	if [ -n "$$FEES_BPS" ]; then set -- "$$@" --fees_bps "$$FEES_BPS"; fi; \
	if [ -n "$$OUT" ]; then set -- "$$@" --out "$$OUT"; fi; \
	$(BIN)/python -m scripts.run "$$@"

docs: setup
	@if [ ! -f data/hedge.duckdb ]; then $(MAKE) --no-print-directory hedge-mvp >&2; fi
	@$(BIN)/python -m scripts.docs

published: setup
	@set --; \
	if [ -n "$$SPOT" ]; then set -- "$$@" --spot "$$SPOT"; fi; \
	if [ -n "$$PERP" ]; then set -- "$$@" --perp "$$PERP"; fi; \
	if [ -n "$$FUNDING" ]; then set -- "$$@" --funding "$$FUNDING"; fi; \
	if [ -n "$$PAGE" ]; then set -- "$$@" --page "$$PAGE"; fi; \
	$(BIN)/python -m scripts.published "$$@"

results: setup
	@set --; \
	if [ -n "$$SPOT" ]; then set -- "$$@" --spot "$$SPOT"; fi; \
	if [ -n "$$PERP" ]; then set -- "$$@" --perp "$$PERP"; fi; \
	if [ -n "$$FUNDING" ]; then set -- "$$@" --funding "$$FUNDING"; fi; \
	$(BIN)/python -m scripts.results "$$@"

# root, as in a container, has to say that it means it
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)

notebook: $(VENV)/.installed-notebook
	@if [ -z "$$HEDGE_DATABASE" ] && [ ! -e data/hedge.duckdb ]; then \
		$(MAKE) --no-print-directory hedge-mvp; \
	fi
	@$(BIN)/jupyter lab $(AS_ROOT) --ServerApp.root_dir=. notebooks/hedge_MVP.ipynb

notebook-outputs: setup-dev
	@$(BIN)/python -m scripts.notebook

bench: setup-dev
	@$(BIN)/python -m scripts.benchmark --symbols $${SYMBOLS:-10 100 400} --rounds $${ROUNDS:-5} $${PARTS:+--parts $$PARTS} --page docs/benchmarks.md

bench-quick: setup-dev
	@$(BIN)/python -m scripts.benchmark --parts panel run --symbols 10 --rounds 1

# quoted by the shell, not by make: paths may hold spaces and quotes
export SPOT PERP FUNDING SYMBOL TIMEFRAME FEES_BPS OUT START END INTERVAL BASE_URL PAGE SYMBOLS ROUNDS PARTS

test: setup-dev
	@$(BIN)/python -m pytest

check: setup-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

# apart from check: sqlfluff takes half a minute
lint: setup-dev
	@PATH="$(abspath $(BIN)):$$PATH" pre-commit run --all-files

clean:
	rm -rf $(VENV) target logs
