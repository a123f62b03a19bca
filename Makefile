# Two commands are all there is to know: `make run` and `make test`. Both set up what they need.

PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help run demo test matrix attacks api mutants machine chaos day processes bench setup lint screenshots clean lock

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

# `exec`: Ctrl-C and the exit code are the launcher's own, with no shell in between.
run: ## Start the console in sandbox mode, demonstration data included; Ctrl-C stops all of it
	@venv="$$($(PYTHON) .ci/setup.py --print-venv)" && exec "$$venv/bin/billers" up

demo: ## Load more demonstration data into the sandbox (N=50000)
	@venv="$$($(PYTHON) .ci/setup.py --print-venv)" && BILLERS_SANDBOX=true exec "$$venv/bin/billers" seed --demo $(or $(N),50000) --more

test: ## Check everything: style, types, layers, tests in a real browser too
	@exec $(PYTHON) .ci/gate.py test

matrix: ## Meet each fault of the design's matrix, id by id
	@exec $(PYTHON) .ci/gate.py matrix

attacks: ## Try each attack by name: it has to fire with the defence off, and be refused with it on
	@exec $(PYTHON) .ci/gate.py attacks

api: ## Have schemathesis ask every operation of the HTTP API, some thousand times in all (EXAMPLES=100 SEED=1)
	@venv="$$($(PYTHON) .ci/setup.py --print-venv)" && exec "$$venv/bin/python" -m tests.api --examples $(or $(EXAMPLES),100) --seed $(or $(SEED),1)

processes: ## Kill consoles and workers under load, and upgrade meanwhile, ten times in a row (TIMES=10)
	@venv="$$($(PYTHON) .ci/setup.py --print-venv)" && exec "$$venv/bin/python" -m pytest tests/processes -s --times $(or $(TIMES),10)

chaos: ## Pay 20,000 bills while wire, workers and database break, and judge it; within an hour (PAYMENTS=2000 SEED=7)
	@venv="$$($(PYTHON) .ci/setup.py --print-venv)" && exec "$$venv/bin/python" -m tests.campaign --payments $(or $(PAYMENTS),20000) $(if $(SEED),--seed $(SEED)) $(if $(RESULT),--result $(RESULT))

day: ## Pay 5,000 bills on a day with faults, close it at a browser, and count every letter (PAYMENTS=500 SEED=7 RESULT=directory)
	@venv="$$($(PYTHON) .ci/setup.py --print-venv --browser)" && exec "$$venv/bin/python" -m tests.day --payments $(or $(PAYMENTS),5000) $(if $(SEED),--seed $(SEED)) $(if $(RESULT),--result $(RESULT))

bench: ## Measure payments a second (SECONDS=60 RATE=500 WORKERS=2), verifying the record, and the pages at 10 million rows (ROWS=0: not; ONLY=payments, audit or rows)
	@venv="$$($(PYTHON) .ci/setup.py --print-venv)" && \
	if [ -z "$(ONLY)" ] || [ "$(ONLY)" = audit ]; then "$$venv/bin/python" -m bench.audit $(if $(RESULT),--result $(RESULT:.json=.audit.json)); fi && \
	if [ -z "$(ONLY)" ] || [ "$(ONLY)" = payments ]; then "$$venv/bin/python" -m bench --seconds $(or $(SECONDS),60) --rate $(or $(RATE),500) --workers $(or $(WORKERS),2) $(if $(RESULT),--result $(RESULT)); fi && \
	if [ "$(or $(ONLY),rows)" = rows ] && [ "$(or $(ROWS),10000000)" != 0 ]; then "$$venv/bin/python" -m bench.rows --rows $(or $(ROWS),10000000) $(if $(KEEP),--keep $(KEEP)/small $(KEEP)/large) $(if $(RESULT),--result $(RESULT:.json=.rows.json)); fi

mutants: ## Put twelve bad policies back, one by one: each must be caught by a test
	@venv="$$($(PYTHON) .ci/setup.py --print-venv)" && exec "$$venv/bin/python" -m tests.mutants

machine: ## Let operators, workers, billers and the clock act in any order (LIVES=5000 STEPS=60)
	@venv="$$($(PYTHON) .ci/setup.py --print-venv)" && exec "$$venv/bin/python" -m tests.state_machine --examples $(or $(LIVES),5000) --steps $(or $(STEPS),60)

lint: ## Check style, types and layers
	@exec $(PYTHON) .ci/gate.py lint

setup: ## Make the Python environment
	@exec $(PYTHON) .ci/setup.py

screenshots: ## Take a picture of every page, light and dark, wide and narrow (ONLY="dashboard sign-in")
	@venv="$$($(PYTHON) .ci/setup.py --print-venv --browser)" && exec "$$venv/bin/python" .ci/screenshots.py $(if $(ONLY),--only $(ONLY))

clean: ## Remove the environment and caches; the data stays
	@rm -rf .venv .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: ## Write requirements.lock anew from pyproject.toml
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH. Install it and run this again." >&2; exit 1; }
	@uv pip compile --quiet --universal --generate-hashes --no-emit-find-links --no-emit-index-url --no-header --extra dev -p 3.11 pyproject.toml -o requirements.lock
