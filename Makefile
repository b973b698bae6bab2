# The whole house in a few words. `make demo` and `make test` are all a newcomer needs.
#
#   make demo      set up .venv (first time only) and play the demo and a pilot into build/demo-run
#   make test      style, types and every test, with the floor for branch coverage
#   make serve     the sandbox with its web wallet on this machine
#   make lint      style and types only            make format   rewrite the style
#   make errors    regenerate docs/errors.md       make lock     pin the dependencies anew
#   make mutants   do the tests notice planted bugs? (slow)
#   make mutants-sample   a sample of all mutants that mutmut makes (slower)
#   make lab       play the laboratory's presets for docs/offline-lab.md   make lab-full   100,000 payments in one run
#   make fuzz      half an hour of strange messages (FUZZ_MINUTES=30)    make fuzz-api   ten minutes at the HTTP interface
#   make model     the interrupted payment, exhaustively, and bound to the code (slow)
#   make losses    loss policies on thousands of random graphs, derived and booked (slow)
#   make campaign  random faulty runs: no tiyn lost or doubled (slow; campaign-adversaries: A1 to A12)
#   make bench     the ledger under every workload, into docs/performance.md (BENCH=--quick for minutes)
#   make orders    the derivation in 10,000 games x 10 orders (slow)    make bench-offline   figures of docs/performance.md
#   make walk      long random days of browser devices (COUNT=2000 steps, SEED=1)
#   make mutated   spoilt messages for every reader of the protocol (COUNT=10000)
#   make lighthouse   scores of every kind of page (needs node)    make cold   a first visit: seconds, bytes, jumps
#   make faults    a ledger on a virtual disk and network: 1,000 crashes an engine (CRASHES=1000, SEED=1)
#   make ha        the cluster's leader killed under load (KILLS=20, SEED=1)
#   make kills     kill -9 of a real ledger process under load (ENGINE=sqlite, KILLS=100, SEED=1); kills-fronts: over HTTP
#   make auditors  two auditors judge 1,000 journals of chance (COUNT=1000)
#   make full      every kill and fault of which a normal run of the tests plays one in three
#   make labs      every lab in 50 fresh worlds, with every wrong answer
#   make cluster   the engines of `tenge offline cluster`    make servers   PostgreSQL, Patroni, PKCS#11 and granian, for Python
#   make clean     remove what make made

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV  := .venv
BIN   := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY    := $(BIN)/python
TENGE := $(BIN)/tenge
PACKAGES := cbdc offline wallets

# Set PYTHON to choose an interpreter; without it the first one of version 3.11 or newer is taken.
PYTHON ?=
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
WORKERS ?= 2
# Two parts (tests/parts.py): the quick tests of `cbdc` and `offline`, measured for their branches (tests/measuring.py), which
# takes longer; and the rest, which plays things over and over, or starts servers, browsers and processes and often waits.
WAITERS ?= 3
# What PYTEST_ARGS chooses may all be in the other part.
NONE_CHOSEN = $(if $(PYTEST_ARGS),|| test $$? -eq 5)
PYTEST_ARGS ?=
# Whoever forbids Python to keep what it compiled makes each of the hundreds of processes that tests start compile anew.
unexport PYTHONDONTWRITEBYTECODE
DEMO_RUN := build/demo-run

# Everything comes from the locks: every file is checked against a hash, and nothing is built from source. A lock names
# all there is, so nothing is resolved again (`--no-deps`): an older pip would look for extras beside the lock.
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --require-hashes -r

.PHONY: help demo test full serve lint format errors pages lock mutants mutants-sample conformance fuzz fuzz-api model ha losses campaign campaign-adversaries lab lab-check lab-full orders bench bench-offline walk mutated lighthouse cold cluster faults kills kills-fronts clean

help:
	@sed -n '3,28s/^# \{0,1\}//p' Makefile

# --- environments: a stamp for each lock, made again when its lock changes ---

$(PY):
	@set -eu; found=; \
	for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python); do \
	  if command -v "$$candidate" >/dev/null 2>&1 && "$$candidate" -c '$(NEW_ENOUGH)' 2>/dev/null; then \
	    found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "No Python 3.11 or newer was found. Install one, or name it: make demo PYTHON=/path/to/python3" >&2; \
	  exit 1; fi; \
	echo "Making $(VENV) with $$($$found --version)"; \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "That Python cannot make environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(PY)
	$(INSTALL) requirements/run.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/test.stamp: requirements/test.txt $(VENV)/run.stamp
	$(INSTALL) requirements/test.txt
	@touch $@

$(VENV)/cluster.stamp: requirements/cluster.txt $(VENV)/run.stamp
	$(INSTALL) requirements/cluster.txt
	@touch $@

# Two packages that Patroni wants have no wheels: plain Python, packed here by the setuptools of the lock.
$(VENV)/servers.stamp: requirements/servers.txt $(VENV)/run.stamp
	$(INSTALL) requirements/servers.txt --no-binary python-etcd,ydiff --no-build-isolation
	@touch $@

# --- what people do ---

demo: $(VENV)/run.stamp
	rm -rf $(DEMO_RUN) && mkdir -p $(DEMO_RUN)
	$(TENGE) demo
	$(TENGE) pilot run school-meals --out $(DEMO_RUN)

cluster: $(VENV)/cluster.stamp

servers: $(VENV)/servers.stamp

serve: $(VENV)/run.stamp
	$(TENGE) serve

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

test: lint
	@mkdir -p build
	@$(PY) -m compileall -q -j 2 $(PACKAGES)
	$(PY) -m pytest -n $(WORKERS) --part measured -p tests.measuring $(PYTEST_ARGS) $(NONE_CHOSEN)
	$(PY) -m tests.house.coverage_floor build/coverage.json
	$(PY) -m pytest -n $(WAITERS) --part waiting $(PYTEST_ARGS) $(NONE_CHOSEN)

errors: $(VENV)/test.stamp
	$(PY) -m tests.house.errors_page --write
	$(PY) -m tests.house.wallet_refusals --write

# Everything in docs/ that is made from the code: errors, commands, and the parts between `made` comments.
pages: errors
	$(PY) -m tests.house.commands_page --write
	$(PY) -m tests.house.pilot_schema --write
	$(PY) -m tests.house.made --write
	$(PY) -m tests.house.conformance --write

# Runs every vector and every test that names a case of the offline protocol, and records the results.
conformance: $(VENV)/test.stamp
	$(PY) -m tests.house.conformance --run

# The laboratory: the presets behind docs/offline-lab.md (minutes), a check that they still give the kept bytes, and the
# full size in one run.
lab: $(VENV)/test.stamp
	$(PY) -m tests.house.lab_pages --write
	$(PY) -m tests.house.made --write

lab-check: $(VENV)/test.stamp
	$(PY) -m tests.house.lab_pages --check

lab-full: $(VENV)/run.stamp
	$(TENGE) lab offline --preset hundred-thousand --out build/lab-hundred-thousand

mutants: $(VENV)/test.stamp
	$(PY) -m tests.mutants --workers $(WORKERS)

# Needs mutmut (`pip install -e .[mutation]`); SAMPLE_ARGS chooses groups, another size or another seed.
SAMPLE_ARGS ?= --write
mutants-sample: $(VENV)/test.stamp
	$(PY) -m tests.mutants.sample $(SAMPLE_ARGS)

# With atheris (`pip install -e .[fuzz]`) many times faster; without it the house's own engine hunts.
FUZZ_MINUTES ?= 30
FUZZ_ARGS ?=
fuzz-api: $(VENV)/test.stamp
	$(PY) -m tests.site.fuzz_api $(or $(API_FUZZ_SECONDS),600)

fuzz: $(VENV)/test.stamp
	$(PY) -m tests.fuzz --seconds $$(( $(FUZZ_MINUTES) * 60 )) $(FUZZ_ARGS)

# The campaigns' figures go to build/campaign; COUNT and SEED choose another size and other chances.
COUNT ?=
SEED ?= 1
CAMPAIGN := $(PY) -m tests.campaign

model: $(VENV)/test.stamp
	TENGE_MODEL=full $(PY) -m pytest -n 0 -s tests/model

losses: $(VENV)/test.stamp
	TENGE_LOSS_GAMES=$(or $(COUNT),3000) $(PY) -m pytest -n 0 tests/offline/test_closing.py tests/offline/test_losses_booked.py

campaign: $(VENV)/test.stamp
	$(CAMPAIGN) runs --count $(or $(COUNT),100000) --seed $(SEED) --workers $(WORKERS) --json build/campaign/runs.json

campaign-adversaries: $(VENV)/test.stamp
	$(CAMPAIGN) adversaries --count $(or $(COUNT),1000000) --seed $(SEED) --workers $(WORKERS) \
	  --json build/campaign/adversaries.json

walk: $(VENV)/test.stamp
	TENGE_DEVICE_STEPS=$(or $(COUNT),2000) TENGE_DEVICE_SEED=$(SEED) $(PY) -m pytest -n 0 tests/web/test_device_walk.py

# Scores of every kind of page by Lighthouse, which is a program of node and is taken as it is found: without it the
# command says how to get it. A first visit is measured by the browser of the tests.
lighthouse: $(VENV)/test.stamp
	$(PY) -m tests.web.lighthouse $(LIGHTHOUSE_ARGS)

cold: $(VENV)/test.stamp
	$(PY) -m tests.web.cold

# PostgreSQL, etcd and Patroni on this machine (docs/engines.md); about half a minute a kill.
ha: KILLS = 20
ha: $(VENV)/test.stamp $(VENV)/servers.stamp
	$(PY) -m tests.ha.kills --kills $(KILLS) --seed $(SEED) --json build/kills-cluster.json

auditors: $(VENV)/test.stamp
	TENGE_JOURNALS=$(or $(COUNT),1000) $(PY) -m pytest -q -n 0 tests/cbdc/test_second_auditor.py

full: $(VENV)/test.stamp
	TENGE_FULL=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal --part waiting tests/cbdc tests/pilot tests/simulation \
	  tests/fuzz tests/exercises/test_cage.py tests/site/test_fuzz_api.py tests/site/test_partner_crash.py

labs: $(VENV)/test.stamp
	TENGE_LAB_SEEDS=50 TENGE_LABS_FULL=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal tests/exercises

# Spoilt messages, judged by both Python readers and by the browser's code.
mutated: $(VENV)/test.stamp
	TENGE_MUTATED=$(or $(COUNT),10000) $(PY) -m pytest -n 0 tests/offline/test_second_reader.py tests/web/test_protocol_same.py -k "mutated or spoilt"

# Engines that this machine lacks are left out, with a sentence. The figures go to build/faults.json.
CRASHES ?= 1000
faults: $(VENV)/test.stamp
	$(PY) -m tests.faults --crashes $(CRASHES) --seed $(SEED) --json build/faults.json

ENGINE ?= sqlite
KILLS ?= 100
KILLS_ARGS ?=
kills: $(VENV)/test.stamp
	$(PY) -m tests.faults.kills --engine $(ENGINE) --kills $(KILLS) --seed $(SEED) --json build/kills-$(ENGINE).json $(KILLS_ARGS)

# The same over HTTP: front ends and the writer die, and on PostgreSQL a second writer takes over.
kills-fronts: $(VENV)/test.stamp
	$(PY) -m tests.roles.kills --engine $(ENGINE) --kills $(KILLS) --seed $(SEED) --json build/kills-fronts-$(ENGINE).json

# Case R3 at full size: random games with cheats, each in ten orders, chunks and repetitions, one digest.
ORDERS ?= 10000
orders: $(VENV)/test.stamp
	TENGE_ORDERS=$(ORDERS) $(PY) -m pytest -n $(WORKERS) --dist worksteal tests/offline/test_graph.py tests/offline/test_bulk_forest.py -k r3

TRANSFERS ?= 1000000
bench: $(VENV)/run.stamp
	$(TENGE) bench all --write $(BENCH)

bench-offline: $(VENV)/run.stamp
	$(TENGE) bench offline --transfers $(TRANSFERS) --json

# --- pins ---

UPGRADE ?=
LOCKER := build/locker
COMPILE := $(LOCKER)/bin/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate $(UPGRADE) pyproject.toml --group build

lock: $(PY)
	test -x $(LOCKER)/bin/uv || { $(PY) -m venv $(LOCKER) && $(LOCKER)/bin/python -m pip install --quiet uv; }
	$(COMPILE) -o requirements/run.txt >/dev/null
	$(COMPILE) -c requirements/run.txt --extra test -o requirements/test.txt >/dev/null
	$(COMPILE) -c requirements/test.txt --extra cluster -o requirements/cluster.txt >/dev/null
	$(COMPILE) -c requirements/cluster.txt --extra postgres --extra ha --extra hsm --extra granian -o requirements/servers.txt >/dev/null

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
