# What there is to do here, one word each. `make help` lists it.

CARGO ?= cargo
PROFILE ?= medium
PAIRS ?= 3
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help bench test torture check deny clean ensure browser servers

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  make bench PROFILE=large PAIRS=6 ARGS="--label nightly"'

bench: ensure ## build, then benchmark: medium profile, before and after, three pairs
	$(CARGO) run --locked --release -- --profile $(PROFILE) --iters $(PAIRS) $(ARGS)

test: ensure browser servers ## run every test, doc tests included; each criterion bench runs once, untimed
	$(CARGO) test --locked --all-targets --features fail-points --no-fail-fast
	$(CARGO) test --locked --doc

torture: ensure servers ## the long matrices, whole: every failure at every point of every mode; writes docs/reliability.md
	RB_BENCH_TORTURE=1 $(CARGO) test --locked --features fail-points --test fault_matrix --test random_tables --test snapshot --test faults --test replace --test cdc --test versions -- --nocapture

check: ## format, clippy and docs, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets --features fail-points -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps

deny: ## licences, sources and RustSec advisories of every dependency; needs cargo-deny and the network
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing: cargo install --locked cargo-deny (takes minutes)' >&2; exit 1; }
	$(CARGO) deny --locked check

clean: ## delete what was built; the seeded data stays (rb-bench cluster reset deletes it)
	$(CARGO) clean

# A missing Postgres server or C linker is installed by the system's package manager.
ensure:
	@command -v $(CARGO) >/dev/null || { echo 'cargo is missing: install Rust from https://rustup.rs' >&2; exit 1; }
	@scripts/ensure-postgres

# What the tests look at pages with.
browser:
	@scripts/ensure-browser

# What the tests connect to beside the system's Postgres: pgbouncer, and other versions.
servers:
	@scripts/ensure-servers
