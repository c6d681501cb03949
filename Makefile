# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
#
# Each target sets up first what it needs: see `make help`. DISTRO=kilted runs any of them with ROS 2 Kilted.

WORKERS ?= 2
export DISTRO ?= jazzy
RUN := tools/run

.PHONY: bench bench-codecs bench-docs bench-engine bench-fleet bench-micro help setup demo experiments test \
	test-distribution test-full lint format docs docs-site docs-links clean faults fuzz soak

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

setup: ## set up: packages, weights, videos, build
	@tools/setup

demo: ## run the main job on a real street video and write what came of it to out/demo
	@./neurosurgeon demo

experiments: ## run every experiment in the simulator and write plots and figures to out/experiments
	@./neurosurgeon experiment --all

bench: ## measure delays beside what one would use instead, over links of given rates (root for real ones): out/bench
	@$(RUN) python benchmarks/bench.py $(BENCH)

bench-codecs: ## measure codecs on both videos; BENCH=--docs writes docs/codecs.md from it, BENCH=--quick is short: out/bench
	@$(RUN) python benchmarks/bench_codecs.py $(BENCH)

bench-engine: ## measure the engine against eager torch and onnxruntime, on a machine with nothing else to do
	@$(RUN) python benchmarks/engine.py

bench-fleet: ## measure what one edge serves: many light robots, and local, pool and ray side by side: out/bench/fleet.json
	@$(RUN) python benchmarks/bench_fleet.py $(BENCH)

bench-micro: ## measure each step of a frame, the wire and a robot's start in isolation, for make bench-docs: out/bench
	@$(RUN) python benchmarks/bench_micro.py
	@$(RUN) python benchmarks/key_frames.py --json out/bench/key_frames.json
	@$(RUN) python benchmarks/wire.py --messages 20 --json out/bench/wire.json
	@$(RUN) python benchmarks/start_up.py --json out/bench/start_up.json

bench-docs: ## write docs/performance.md from what lies in out/bench
	@$(RUN) python benchmarks/bench.py --docs

faults: ## put every fault into robot, edge, link and camera, count every frame, and write docs/reliability.md
	@$(RUN) python -m benchmarks.faults --write-docs

soak: ## run two robots and an edge under random faults: make soak SECONDS=600 SEED=1
	@$(RUN) python -m benchmarks.soak $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

fuzz: ## put 100,000 hostile cases into each decoder and each topic of running nodes: make fuzz CASES=100000 SEED=1
	FUZZ_CASES=$(or $(CASES),100000) FUZZ_SEED=$(or $(SEED),$(shell date +%s)) \
		$(RUN) python -m pytest -n $(WORKERS) -v -m "" --timeout=3600 test/fuzz

test: ## run every test but the long ones
	@$(RUN) python -m pytest -n $(WORKERS) --dist worksteal

test-distribution: ## run the tests of what a distribution of ROS 2 changes: make test-distribution DISTRO=kilted
	@$(RUN) python -m pytest -n $(WORKERS) --dist worksteal -m "distribution and not full"

test-full: ## run every test
	@$(RUN) python -m pytest -n $(WORKERS) --dist worksteal -m "not alone"
	@$(RUN) python -m pytest -m alone

lint: ## check style and types, for the oldest and the newest Python
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) sh -c 'printf "3.11 3.14" | xargs -d " " -n 1 -P 2 mypy --python-version'

format: ## bring the sources into the common format
	@$(RUN) ruff format

docs: ## write the tables of parameters and encodings into README and docs
	@$(RUN) python tools/write_tables.py

docs-site: ## build the documentation as a site, without a warning: out/site/index.html
	@$(RUN) sphinx-build -q -W --keep-going -c docs -d out/site-pages . out/site

docs-links: ## follow every link of the documentation that leads elsewhere, over the network
	@$(RUN) sphinx-build -q -b linkcheck -c docs -d out/site-pages . out/site-links

clean: ## remove what set-up and the build made; results in out/ stay
	rm -rf .venv .setup .distributions .native build install log .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src test tools launch benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
