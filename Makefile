# Every target is safe to run twice and fast the second time. 'make help' lists them.

PYTHON ?= python3
NVIM ?= nvim
# The project that 'make run' works on: where it was called from, so that
# 'make -C /path/to/this/checkout run' opens the project one stands in.
DIR ?= $(or $(PWD),$(CURDIR))
ARGS ?=
VENV := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup neovim run demo test test-unit test-protocol test-e2e test-tools bench-ghost \
	bench-start bench-index bench-retrieval lint format typecheck doc clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## build .venv with everything in it
	@$(PYTHON) tools/environment.py python

neovim: ## install Neovim from the system's package manager where it is missing
	@$(PYTHON) tools/environment.py neovim

run: setup neovim ## open Neovim with the plugin on: make run [DIR=project] [ARGS=file]
	@$(VENV)/python tools/run.py --nvim '$(NVIM)' '$(DIR)' $(ARGS)

demo: setup neovim ## drive a real Neovim through everything, without a person
	@$(VENV)/python tools/demo.py --nvim '$(NVIM)'

test: setup test-tools lint typecheck ## run every check and every test, two files at a time
	@$(VENV)/pytest -n 2 --dist loadfile

test-unit: setup ## run the tests of single modules, Python and Lua
	@$(VENV)/pytest tests/unit tests/lua

test-protocol: setup ## run the tests against a daemon
	@$(VENV)/pytest tests/protocol

test-e2e: setup test-tools ## run the tests in real Neovims
	@$(VENV)/pytest tests/e2e

test-tools: setup
	@$(VENV)/python tools/neovim.py fetch
	@$(VENV)/python tools/ollama.py fetch

bench-ghost: setup ## measure the time from the last key to ghost text
	@$(VENV)/python -m tests.bench.bench_ghost

bench-start: setup ## measure what the plugin adds to Neovim's start
	@$(VENV)/python -m tests.bench.bench_start

bench-index: setup ## measure indexing and searching on the installed packages' sources
	@$(VENV)/python -m tests.bench.bench_index

bench-retrieval: setup ## measure how often a question finds its code: make bench-retrieval DATA=folder
	@$(VENV)/python -m tests.bench.bench_retrieval '$(DATA)'

lint: setup ## check style, Python and Lua
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check
	@$(VENV)/python tools/stylua.py --check lua plugin

format: setup ## put the style right
	@$(VENV)/ruff check --fix
	@$(VENV)/ruff format
	@$(VENV)/python tools/stylua.py lua plugin

typecheck: setup ## check types
	@$(VENV)/mypy

doc: setup ## write the generated parts of the documentation
	@$(VENV)/python tools/gen_help.py

clean: ## remove what was built in this checkout
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find assistant rplugin tests tools -name __pycache__ -prune -exec rm -rf {} +
