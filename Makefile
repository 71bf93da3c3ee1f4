# Caches (Go tools, images, cargo's target) stand outside the checkout, keyed by content: a fresh clone is fast.
CACHE ?= $(or $(MAIL_OPERATOR_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mail-operator)
export MAIL_OPERATOR_CACHE := $(CACHE)
export CARGO_TARGET_DIR ?= $(CACHE)/target
SHELL := /bin/bash

.PHONY: help test lint unit generate
help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

test: lint unit ## Everything that has to be green

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit:
	cargo test --workspace --locked

generate: ## Generated files: CRDs, table of reasons
	cargo build --locked --bin mail-operator
	$(CARGO_TARGET_DIR)/debug/mail-operator crds --dir crds
	$(CARGO_TARGET_DIR)/debug/mail-operator crds --dir charts/mail-operator/files/crds
	$(CARGO_TARGET_DIR)/debug/mail-operator codes > docs/reference/codes.md
