# openmanager: everything a newcomer or a maintainer runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHARED ?= ../shared
UI_LANG ?= en
WORKERS ?= 2
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup servers demo test test-unit test-long check format lock clean check-compat bench-faults bench-speed bench-fleet bench-host bench-read bench-accuracy bench-members bench-forecast bench-onsets

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(VENV)/.made: requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "no venv: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/.made ## a virtual environment with everything, by locked versions

servers: setup ## Prometheus, Alertmanager and node_exporter: from PATH, or unpacked into .demo/servers
	@$(BIN)/python -m deploy.local.servers

demo: setup ## the whole loop on this machine (UI_LANG=ko speaks Korean; Ctrl-C ends it)
	@$(BIN)/python -m deploy.local.demo --lang $(UI_LANG) $(DEMO)

test: servers ## all tests, real Prometheus and Alertmanager included
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -m "not long"

test-unit: setup ## the tests that need no server binary
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -m "not long and not servers"

test-long: servers ## the full-length outages, soaks and restarts
	$(BIN)/pytest -q -m long

check: servers ## lint, types, and every file that a server will read
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.checks

format: setup ## let ruff format and mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## write the locks anew from pyproject.toml and requirements-dev.in
	$(PYTHON) -m venv .demo/lock
	.demo/lock/bin/pip install -q pip-tools
	.demo/lock/bin/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras -o requirements.txt pyproject.toml
	.demo/lock/bin/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --allow-unsafe -o requirements-dev.txt requirements-dev.in
	.demo/lock/bin/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --allow-unsafe -o tests/bench/requirements-peers.txt tests/bench/requirements-peers.in

check-compat: servers ## FROM=folder: the node-mixin on our host and fleet, and node_exporter beside ours
	$(BIN)/python -m tests.bench.check_compat --from $(or $(FROM),$(SHARED)/design/samples)

bench-faults: setup ## SEEDS= KINDS= CYCLE=seconds: planted faults found, named, and in what time; quiet weeks
	$(BIN)/python -m tests.bench.faults $(if $(SEEDS),--seeds $(SEEDS)) $(if $(KINDS),--kinds $(KINDS)) $(if $(CYCLE),--step $(CYCLE))

.bench/.made: tests/bench/requirements-peers.txt
	@test -x .bench/bin/python || $(PYTHON) -m venv .bench
	@.bench/bin/pip install -q --disable-pip-version-check --require-hashes -r $< && touch $@ || echo "peers are not installed; their rows will say so" >&2

bench-speed: servers .bench/.made ## a whole cycle of 10,000 series, and peers on the same data (about 4 min; peers get a venv of their own)
	$(BIN)/python -m tests.bench.speed

bench-fleet: setup ## 1,000 simulated servers in one process
	$(BIN)/python -m tests.bench.fleet_cost

bench-host: servers ## reading this host, beside node_exporter
	$(BIN)/python -m tests.bench.host

bench-read: setup ## decoding what Prometheus answers
	$(BIN)/python -m tests.bench.read

bench-accuracy: setup ## labelled server metrics (DATA=folder SETS=asd,smd,nab), ours beside peers
	$(BIN)/python -m tests.bench.accuracy --data $(or $(DATA),$(SHARED)/data) --score $(or $(SCORE),$(SHARED)/tools/score)$(if $(SETS), --sets $(SETS))

bench-members: setup ## which detectors of whole servers earn their place (DATA=folder; about 10 min)
	$(BIN)/python -m tests.bench.members --data $(or $(DATA),$(SHARED)/data) --score $(or $(SCORE),$(SHARED)/tools/score) --cache .bench/members

bench-forecast: setup ## forecasts of labelled server metrics (DATA=folder SETS=asd,smd), ours beside simple and pooled ones
	$(BIN)/python -m tests.bench.forecast --data $(or $(DATA),$(SHARED)/data) --score $(or $(SCORE),$(SHARED)/tools/score)$(if $(SETS), --sets $(SETS))

bench-onsets: setup ## what earned its place in the onset score of a single series (DATA=folder)
	$(BIN)/python -m tests.bench.onsets --data $(or $(DATA),$(SHARED)/data) --score $(or $(SCORE),$(SHARED)/tools/score)

clean: ## what make made, and the demo's data
	rm -rf $(VENV) .demo .bench .mypy_cache .ruff_cache build *.egg-info
