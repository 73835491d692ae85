# Every target sets up what it needs; `make help` lists them. ARGS passes options on:
#   make demo ARGS="--exit"     make test ARGS="tests/unit -x"     make lock ARGS=--upgrade
# PYTHON picks the interpreter when the environment is made: make demo PYTHON=python3.12
export PYTHON

BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types architecture sim-long sim-all fuzz-long contracts-long kill-long away-long soak bench bench-size lock wheel clean distclean
.PHONY: runtime dev

demo: runtime  ## four organisations' nodes reach agreement on this machine
	@$(BIN)/quorate demo $(ARGS)

test: dev  ## all tests
	@$(BIN)/python -m pytest $(ARGS)

check: lint types test  ## what CI runs: lint, types and all tests, those of the architecture among them

lint: dev  ## ruff
	@$(BIN)/ruff check .

types: dev  ## mypy --strict
	@$(BIN)/mypy

architecture: dev  ## the import contracts and the purity of the cores, alone
	@$(BIN)/python -m pytest tests/test_architecture.py $(ARGS)

sim-long: dev  ## the simulator, seed after seed until Ctrl-C; ARGS="--seeds 100000 200000" chooses
	@$(BIN)/python -m tests.simulator --long $(ARGS)

sim-all: dev  ## every crash point, all 4,096 Twins, and whether each planted bug is found
	@$(BIN)/python -m tests.simulator --crashes $(ARGS)
	@$(BIN)/python -m tests.simulator --twins 0 4096 $(ARGS)
	@$(BIN)/python -m tests.simulator --mutants $(ARGS)

fuzz-long: dev  ## fresh inputs for every decoder; QUORATE_FUZZ_MINUTES says how long, ARGS names decoders
	@$(BIN)/python -m tests.fuzz long $(ARGS)

contracts-long: dev  ## random contracts, 100,000 of them, on two Pythons and against plain Python; ARGS="1000 python3.12 3000000"
	@$(BIN)/python -m tests.contracts_lang $(ARGS)

kill-long: dev  ## kill -9 of nodes under load, 50 times; QUORATE_KILLS and QUORATE_KILL_SEED choose
	@QUORATE_KILLS=$${QUORATE_KILLS:-50} $(BIN)/python -m pytest -s tests/consortium/test_kill.py $(ARGS)

away-long: dev  ## a node that missed 10,000 blocks comes back while the chain goes on; QUORATE_AWAY_BLOCKS chooses
	@QUORATE_AWAY_BLOCKS=$${QUORATE_AWAY_BLOCKS:-10000} $(BIN)/python -m pytest -s tests/faults/test_catch_up.py $(ARGS)

soak: dev  ## four nodes under partitions, kills, wrong clocks and full disks; QUORATE_SWARM_S says how long
	@QUORATE_SWARM_S=$${QUORATE_SWARM_S:-1200} $(BIN)/python -m pytest -s tests/faults/test_swarm.py $(ARGS)

BENCHES = engine language tree store network api profile

bench: dev  ## every benchmark, one after the other; docs/benchmarks.md explains them
	@$(BIN)/quorate bench
	@set -e; for name in $(BENCHES); do echo "== $$name"; $(BIN)/python -m tests.bench.bench_$$name; done

BIG_BENCHES = accounts blocks footprint catch_up distance members

bench-size: dev  ## what size, number and distance cost: a million accounts, a million blocks, 16 nodes; half an hour
	@set -e; for name in $(BIG_BENCHES); do echo "== $$name"; $(BIN)/python -m tests.bench.bench_$$name; done

LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" $(ARGS)

lock: dev  ## pin dependencies anew after a change of pyproject.toml
	@$(LOCK) --group setup -o requirements-setup.lock
	@$(LOCK) pyproject.toml -o requirements.lock
	@$(LOCK) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

wheel: dev  ## dist/quorate-*.whl
	@rm -rf build dist
	@$(BIN)/uv build --quiet --wheel --no-build-isolation
	@ls dist/*.whl

clean:  ## remove builds and caches
	@rm -rf build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## and the Python environment
	@rm -rf .venv

help:  ## this list; ARGS="..." passes options on
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

# The two environments share .venv; a development one contains the runtime and is never shrunk to it.
runtime dev:
	@.ci/setup $@
