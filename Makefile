# Every target does its own set-up. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PROVISION := $(BIN)/provision
LAB ?= default
# Tests that need no lab: the driver's and the lab's own.
OFFLINE := tests/unit lab/tests

$(READY): requirements.lock pyproject.toml lab/pyproject.toml
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e lab
	touch $@

# Programs that offline tests try ours against: on Debian as root; elsewhere such a test says which one it misses. The registry is only
# unpacked, as its package would start one on this machine.
$(VENV)/programs: $(READY)
	@[ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends apt-utils createrepo-c dnf gnupg rpm skopeo >/dev/null && \
	  folder=$$(mktemp -d) && (cd $$folder && apt-get -qq download docker-registry && dpkg --extract docker-registry_*.deb .) && \
	  cp $$folder/usr/bin/docker-registry $(BIN) && rm -r $$folder; } || echo "apt-utils, dnf, createrepo-c, skopeo or docker-registry can't be installed here: some tests skip"
	@touch $@

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.PHONY: lab
lab: $(READY) ## from nothing to a provisioned and proven cluster on this machine
	$(PROVISION) lab up --name $(LAB)
	$(PROVISION) up --lab $(LAB) --yes
	$(PROVISION) verify --lab $(LAB)
	@$(PROVISION) status --lab $(LAB)
	@echo; echo "Try next:"; \
	echo "  $(PROVISION) status --lab $(LAB)"; \
	echo "  $(PROVISION) run --lab $(LAB) 'hostname && uptime'"; \
	echo "  $(PROVISION) up --lab $(LAB)       (again: nothing to change)"; \
	echo "and 'make lab-down' when you are done."

.PHONY: lab-down
lab-down: $(READY) ## throw the lab away
	$(PROVISION) lab down --name $(LAB)

.PHONY: unit
unit: $(VENV)/programs ## the offline tests
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -q -n 2 --dist worksteal --durations=10 $(OFFLINE)

.PHONY: lint
lint: $(READY) ## ruff, mypy strict, yamllint, ansible-lint production, shellcheck
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline roles playbooks molecule/shared molecule/mesos/converge.yml
	$(BIN)/shellcheck $$(git grep -lE '^#!.*/(ba)?sh' -- ':!*.py' ':!*.md' ':!*.yml') lab/node/init.sh

.PHONY: lab-tests
lab-tests: $(READY) ## tests/lab: hosts of every kind, then whole clusters (S=rerun: that one, LAB_OS=debian13: there, KEEP_LAB=1: leave the lab)
	$(BIN)/python -m tests.lab.run $(or $(S),own-labs clusters)

.PHONY: molecule
molecule: $(READY) ## every role on its own in lab hosts (S=zookeeper: that one; LAB_OS, KEEP_LAB as above)
	$(BIN)/python -m tests.lab.run $(or $(S),roles)

.PHONY: mutants
mutants: $(READY) ## break each role on purpose; its scenario must notice (S=zookeeper: that one)
	$(BIN)/python -m tests.lab.mutate $(S)

.PHONY: test
test: lint $(VENV)/programs ## lint, offline tests, all on labs but what is marked nightly; ends with how long each took
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -v -n 2 --dist worksteal --durations=10 $(OFFLINE)
	$(BIN)/python -m tests.lab.run --mitogen --not-nightly
	@echo "make test ran: ruff, mypy, yamllint, ansible-lint, shellcheck, $(OFFLINE) (offline), tests/lab and molecule (labs) but what is marked nightly"

.PHONY: nightly
nightly: export PROVISION_RESULTS = $(CURDIR)/docs/results
nightly chaos: export CHAOS_STARTS ?= 50
nightly chaos: export CHAOS_KILLS ?= 100
nightly mutations: export DRIFT_CHANGES ?= 1000
nightly: $(READY) .venv-bench/ready ## what is too long for 'make test' too: all on labs, other systems, mutants, bench; results go to docs/results/
	@failed=; $(BIN)/python -m tests.lab.run || failed=1; \
	for system in debian11 debian13 rocky9; do LAB_OS=$$system $(BIN)/python -m tests.lab.run roles main_job backup plugin || failed=1; done; \
	$(BIN)/python -m tests.lab.mutate || failed=1; $(MAKE) bench || failed=1; \
	[ -z "$$failed" ]

.PHONY: chaos
chaos: $(READY) ## two operators at once, and runs killed at random moments, over and over (CHAOS_STARTS=50 CHAOS_KILLS=100 CHAOS_SEED=1: hours)
	$(BIN)/python -m tests.lab.run chaos

.PHONY: mutations
mutations: $(READY) ## let a thousand things drift on a lab's hosts; each must be seen and mended (DRIFT_CHANGES=1000 DRIFT_SEED=1: hours)
	$(BIN)/python -m tests.lab.run drift

.PHONY: bench
bench: $(READY) .venv-bench/ready ## what others and we need, on the same hosts in turn: 10 and 3, first runs of 5, 80 ms away, 30 and 100 light ones (hours); 1,000 and 5,000 simulated ones
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.run --masters 1 --agents 2
	$(BIN)/python -m bench.run --masters 3 --agents 2 --parts first agent
	$(BIN)/python -m bench.run --masters 3 --agents 2 --latency 80
	$(BIN)/python -m bench.run --agents 27 --light
	$(BIN)/python -m bench.run --agents 97 --light --slow-rounds 0
	$(BIN)/python -m bench.thousand
	$(BIN)/python -m bench.controller

.venv-bench/ready: bench/requirements.lock
	python3 -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

.PHONY: docs
docs: $(READY) ## regenerate the variable tables, the CLI reference and the pictures of 'provision status'
	$(BIN)/python -m docs.generate

.PHONY: lock
lock: ## renew requirements.lock from pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --strip-extras --allow-unsafe --extra dev --extra mitogen -o requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --strip-extras --allow-unsafe -o bench/requirements.lock bench/requirements.in
	for list in tests/lab/support/*/requirements.in; do $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --strip-extras --unsafe-package http-parser -o $${list%.in}.lock $$list; done
