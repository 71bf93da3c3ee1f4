# Caches (Go tools, images, cargo's target) stand outside the checkout, keyed by content: a fresh clone is fast.
CACHE ?= $(or $(MAIL_OPERATOR_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mail-operator)
export MAIL_OPERATOR_CACHE := $(CACHE)
export CARGO_TARGET_DIR ?= $(CACHE)/target
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
TESTBED = $(CARGO_TARGET_DIR)/debug/testbed
RUN = tests/with-images.sh
NICE =
# A skipped test is a failure unless REQUIRE=0.
export REQUIRE ?= 1

.PHONY: help test sample demo demo-down node-exec needs prerequisites cli lint unit fuzz deny tier1 tier2 tier3 generate bench images tools

help: ## What can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: export DEMO_BEGIN := $(shell date +%s)
demo: needs testbed ## From nothing to people who write to each other, and one life with time moved (KEEP=1 leaves the node running, LIFE=0 leaves out the life)
	@tests/demo/run.sh

demo-down: testbed ## End the node that KEEP=1 left running
	@$(TESTBED) down --name demo

node-exec: export NODE_COMMAND = $(value CMD)
node-exec: testbed ## Run CMD='…' inside the demo's node; a shell without CMD
	@$(TESTBED) status | grep -w demo > /dev/null || { echo "the node of the demo does not run: make demo KEEP=1 starts it"; exit 1; }
	@if [ -n "$$NODE_COMMAND" ]; then $(TESTBED) exec --name demo -- bash -c "$$NODE_COMMAND"; \
	else echo "a shell inside the demo's node; exit leaves it"; $(TESTBED) exec --name demo -- bash; fi

test: prerequisites lint unit deny tools ## Everything that has to be green
	cargo test --locked --no-run --test cluster
	FLUX=1 $(RUN) $(MAKE) --no-print-directory -j2 RUN=env lane-tier1 lane-tier2 || \
	  { echo "not green: tier 1 or tier 2 says above that it failed"; exit 1; }
	@echo "everything is green"

# Tests of a real mail server wait for clocks more than they reckon, those of the API server the other way round: side by side both tiers
# take two thirds of the time that they take one after the other. Each has a test bed of its own, and what reckons most comes last where both
# want a core. A third lane gains nothing: tests would then wait longer than they may. Ctrl-C ends the tests, and the test bed says what it kept.
lane = @$(MAKE) --no-print-directory -j1 $(2) 2>&1 | (trap "" INT; exec sed -u "s/^/$(1) │ /") || \
  { echo "$(1) failed: see the lines that begin with it"; exit 1; }

.PHONY: lane-tier1 lane-tier2
lane-tier1:
	$(call lane,tier 1,tier1-api tier1-mail NICE="nice -n 10")

lane-tier2:
	$(call lane,tier 2,tier2)

# at_least NAME VERSION FOUND WHERE
at_least = found="$(3)"; printf '%s\n' $(2) "$${found:-0}" | sort -CV || \
  { echo "$(1) $(2) or newer is needed, $${found:-none} was found: $(4)"; exit 1; }

# What make cannot install is checked first and named.
needs:
	@[ "$$(uname -s)" = Linux ] || { echo "Linux is needed"; exit 1; }
	@$(call at_least,Rust,1.91,$$(cargo --version 2> /dev/null | cut -d' ' -f2 || true),https://rustup.rs)
	@$(call at_least,Go,1.26,$$(go env GOVERSION 2> /dev/null | tr -d go || true),https://go.dev/dl)
	@command -v cc > /dev/null || { echo "a C compiler is needed: apt-get install gcc libc6-dev"; exit 1; }

prerequisites: needs
	@$(MAKE) --no-print-directory testbed
	@$(TESTBED) doctor --install

# cargo tells checkouts that share a target folder apart by the times of their files alone, and would take the programs of
# another one for ours.
.PHONY: checkout
checkout:
	@mkdir -p "$(CARGO_TARGET_DIR)"
	@[ "$$(cat "$(CARGO_TARGET_DIR)/.checkout" 2> /dev/null)" = "$(CURDIR)" ] || { \
	  find src tests benches -name '*.rs' -exec touch {} +; echo "$(CURDIR)" > "$(CARGO_TARGET_DIR)/.checkout"; }

.PHONY: testbed
testbed: checkout
	@[ -x $(TESTBED) ] || echo "▸ the test bed (the first time takes 2 min)"
	@cargo build --locked --quiet -p testbed

lint: checkout ## Format, clippy with warnings as errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit: checkout ## Rules, builders, tables: no cluster
	cargo test --workspace --locked --no-run --lib --bins --tests
	cargo test --workspace --locked --lib --bins
	cargo test --locked --test tree --test syncer --test cli --test docs --test fuzz --test browser

fuzz: N = 10000000
fuzz: checkout ## Made-up names and files, N of each (default 10 million; FUZZ_SEED=… for others)
	FUZZ_RUNS=$(N) cargo test --release --locked --test fuzz -- --nocapture

cli: checkout ## The plugin of kubectl; prints the line that puts it on the PATH
	cargo build --locked --release --bin kubectl-mail
	@echo 'export PATH=$(CARGO_TARGET_DIR)/release:$$PATH'

sample: DIR = /tmp/mail-sample
sample: testbed ## A repository of invented people in DIR, to try things on (AGENCIES, MAILBOXES)
	$(TESTBED) sample $(DIR) --agencies $(or $(AGENCIES),1000) --mailboxes $(or $(MAILBOXES),20000)

deny: ## Licences and duplicate versions of dependencies
	tests/cargo-deny.sh "$(CACHE)"

tools: ## Kubernetes programs from Go modules
	tests/k8s-tools/build.sh "$(CACHE)" > /dev/null
	tests/k8s-tools/build.sh "$(CACHE)" flux > /dev/null

images: testbed ## Images of the mail server and of the operator, as OCI archives
	@PROFILE=release $(RUN) env | grep -E '^MAIL_OPERATOR_(MAIL_)?(IMAGE|ARCHIVES)=' 

# Each of these runs where it says most: what rests on pods, volumes and networks on the node, the rest of Dovecot and Postfix as processes.
# ALL=1 runs everything on both.
API_TESTS = api:: events::
MAIL_TESTS = mail:: senders:: waiting:: sieve:: notices:: usage:: removal:: damaged:: sessions:: restored::
NODE_TESTS = chart:: flux:: mail:: certificates:: baseline:: volume:: network:: page:: node::
ifdef ALL
MAIL_TESTS += certificates:: baseline:: volume::
NODE_TESTS += senders:: sieve:: notices:: usage::
endif

tier1: tier1-api tier1-mail ## Tests on a real API server, Dovecot and Postfix as processes (ALL=1: also those of the node)

# Most of these tests wait for a clock or a server, and each has a namespace of its own: four at once keep two cores busy.
.PHONY: tier1-api tier1-mail
tier1-api: testbed
	cargo test --locked --no-run --test cluster
	$(RUN) $(NICE) $(TESTBED) run --tier 1 --no-pods -- cargo test --locked --offline --test cluster -- --test-threads=4 $(API_TESTS)

tier1-mail: testbed
	cargo test --locked --no-run --test cluster
	$(RUN) $(TESTBED) run --tier 1 -- cargo test --locked --offline --test cluster -- --test-threads=4 $(MAIL_TESTS)

tier2: testbed ## Tests on a whole node, installed by the Helm chart (ALL=1: also those that processes are enough for)
	cargo test --locked --no-run --test cluster
	FLUX=1 $(RUN) tests/on-node.sh $(TESTBED) cargo test --locked --offline --test cluster -- --test-threads=2 $(NODE_TESTS)

tier3: testbed ## The tests of tier 2 on the cluster that KUBECONFIG names
	$(RUN) env TESTBED_TIER=3 cargo test --locked --test cluster -- --test-threads=1 chart:: mail:: sieve:: certificates:: baseline:: page:: node::

generate: checkout ## Generated files: CRDs, table of reasons, articles and their tests
	cargo build --locked --bin mail-operator
	$(CARGO_TARGET_DIR)/debug/mail-operator crds --dir crds
	$(CARGO_TARGET_DIR)/debug/mail-operator crds --dir charts/mail-operator/files/crds
	$(CARGO_TARGET_DIR)/debug/mail-operator codes > docs/reference/codes.md
	GENERATE=1 cargo test --locked --quiet --test docs traceability::the_page_is_current

N ?= 2000
C ?= 16
ROUNDS ?= 5
bench: testbed ## What docs/benchmarks.md reports (three quarters of an hour; N, C, ROUNDS, QUIET=seconds, LOCKS, MASS=mailboxes; 0: without)
	PROFILE=release $(RUN) tests/bench.sh $(TESTBED) $(N) $(C) $(ROUNDS) $(or $(QUIET),600) $(or $(LOCKS),200) $(or $(MASS),20000)
