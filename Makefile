# Halftone: install what the build needs, then build, test, demonstrate, install. Every target may be repeated.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
# `make demo QUICK=1`: few images, for continuous integration.
QUICK ?=

# Debian and Ubuntu names. The libraries are needed to build and to run; dataset-fashion-mnist holds the images that
# the embedded model was trained on, which the tests and the shipped statistics are checked against.
PACKAGES := pkg-config libopenblas-dev libpng-dev libjpeg-dev libhdf5-dev zlib1g-dev dataset-fashion-mnist

# One build serves the demo and the tests: release, without @testable (the tests use `package` access). Products are built by name:
# all of them together take the protobuf compiler along, minutes of C++ that nothing here runs.
BUILD := $(SWIFT) build -c release --product
# The tests and the programs that they start.
TESTED := halftone halftone-torture halftonePackageTests
TEST := $(foreach product,$(TESTED),$(BUILD) $(product) && )$(SWIFT) test -c release --disable-testable-imports --skip-build
# `make test FILTER=GraphTests`: the suites and tests that a regular expression finds.
FILTER ?=
FILTERED = $(if $(FILTER),--filter "$(FILTER)")
# The installed binary carries the Swift runtime, so it has a build folder of its own.
INSTALL_BUILD := $(SWIFT) build -c release --product halftone --static-swift-stdlib --scratch-path .build-install

FORMATTED := Package.swift Sources Tests Fuzz Examples/Package.swift Examples/Sources

# `make fuzz SECONDS=3600 SEED=7`: other inputs, for longer.
SECONDS ?= 60
SEED ?= 1

.PHONY: help packages build test examples documentation dependency ci-long fuzz fuzz-coverage fuzz-recipes torture sanitize demo peers test-exports install uninstall deb format lint clean

help: ## show this list
	@echo "make TARGET, where TARGET is one of:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  %-13s %s\n", $$1, $$2}'

packages: ## install the system packages that are missing (apt, as root or through sudo)
	@missing=""; \
	if ! command -v dpkg-query >/dev/null; then \
	  echo "Not a Debian system: install the equivalents of: $(PACKAGES)" >&2; exit 0; \
	fi; \
	for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	as_root=""; \
	if [ "$$(id -u)" != 0 ]; then \
	  command -v sudo >/dev/null || { echo "Run as root: apt-get install$$missing" >&2; exit 1; }; \
	  as_root=sudo; \
	fi; \
	echo "Installing:$$missing"; \
	$$as_root apt-get update -qq; \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing

build: packages ## build .build/release/halftone
	$(BUILD) halftone

# Thousands of lines scroll by, in parallel: what failed is said once more at the end.
test: packages ## build and run all tests (release), or those of FILTER
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	echo '$(TEST) $(FILTERED)'; \
	if ! { $(TEST) $(FILTERED); } 2>&1 | tee "$$log"; then \
	  echo "--- what failed:"; grep -E '✘|error:|fatal|Fatal' "$$log" | cut -c1-1000; exit 1; \
	fi

# A package of its own that depends on this one by path: it builds everything that the library needs once more.
EXAMPLES := outputs/examples
examples: packages ## build Examples and run its three programs; their pictures go to outputs/examples
	$(SWIFT) build -c release --package-path Examples
	mkdir -p $(EXAMPLES)
	programs="$$($(SWIFT) build -c release --package-path Examples --show-bin-path)"; \
	"$$programs/SampleGrid" . $(EXAMPLES)/grid.png; \
	"$$programs/QuantizeAndCompare" . $(EXAMPLES); \
	"$$programs/WatchSteps" . $(EXAMPLES)/steps.png

documentation: packages ## build the library's reference and articles into outputs/documentation, as a static site
	rm -rf outputs/documentation
	$(SWIFT) package -c release --allow-writing-to-directory outputs generate-documentation --target Halftone \
	  --output-path outputs/documentation --transform-for-static-hosting --warnings-as-errors

dependency: packages ## show that a tagged version resolves and builds as another package's dependency
	Tests/Dependency/run.sh

# What takes long or needs more of the system than tests do; parts that the machine has no packages for say so and are skipped.
ci-long: build ## run the long checks: the tutorials, the examples, the library as a dependency and its documentation, shards under a real Slurm (Debian's slurmctld, slurmd, munge), exports in other runtimes
	Tests/Documentation/run.sh .build/release/halftone docs/tutorials/*.md
	cluster/test/slurm.sh
	$(MAKE) examples
	$(MAKE) dependency
	$(MAKE) documentation
	$(MAKE) test-exports

# Cases of the recipe fuzzer, by number; each is the same on every machine.
CASES ?= 0-2999
fuzz-recipes: packages ## quantise tiny networks by drawn recipes; CASES=A-B
	export HALFTONE_FUZZ_RECIPES=$(CASES); $(TEST) --filter RecipeFuzzTests

fuzz: packages ## read changed files for SECONDS (60), inputs from SEED (1); those that fail are kept in outputs/fuzz
	$(BUILD) halftone-fuzz
	.build/release/halftone-fuzz --seconds $(SECONDS) --seed $(SEED)

# libFuzzer as a library lies in the toolchain; its C++ is the system's.
FUZZ_BUILD = HALFTONE_FUZZ_COVERAGE=1 $(SWIFT) build -c release --product halftone-fuzz-coverage --scratch-path .build-fuzz \
  --sanitize=address \
  -Xlinker "$$(find "$$(dirname "$$(readlink -f "$$(command -v swift)")")/../lib/clang" -name 'libclang_rt.fuzzer_no_main-$(shell uname -m).a' | head -1)" \
  -Xlinker -lstdc++
# With every input these cost time: long stacks of callers, a large quarantine of freed memory, and files on a disk.
FUZZ_ASAN := detect_leaks=0:allocator_may_return_null=1:malloc_context_size=4:quarantine_size_mb=32
READERS ?=
# 0: as many as the time allows.
RUNS ?= 0
fuzz-coverage: packages ## libFuzzer on every reader for SECONDS each or RUNS inputs, or on READERS=A,B
	$(FUZZ_BUILD)
	@export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=$(FUZZ_ASAN); \
	[ ! -w /dev/shm ] || export TMPDIR=/dev/shm; \
	runner=.build-fuzz/release/halftone-fuzz-coverage; readers="$(READERS)"; failed=""; \
	for reader in $${readers:+$${readers//,/ }} $$([ -n "$$readers" ] || $$runner --list); do \
	  corpus=outputs/fuzz/corpus/$$reader; mkdir -p "$$corpus"; $$runner --seeds "$$reader" "$$corpus"; \
	  echo "--- $$reader"; \
	  $$runner "$$reader" -max_total_time=$(SECONDS) $(if $(filter-out 0,$(RUNS)),-runs=$(RUNS)) -timeout=10 -rss_limit_mb=3000 \
	    -print_final_stats=1 -print_funcs=0 -detect_leaks=0 \
	    -artifact_prefix="outputs/fuzz/$$reader-" "$$corpus" > "$$corpus.log" 2>&1 || failed="$$failed $$reader"; \
	  grep -E 'stat::number_of_executed_units|^verdict|SUMMARY|ERROR' "$$corpus.log" || tail -3 "$$corpus.log"; \
	done; \
	[ -z "$$failed" ] || { echo "failed:$$failed; inputs are in outputs/fuzz" >&2; exit 1; }

# A campaign of hours; fewer calls of a family are disturbed with CALLS=N, some commands and cases alone with TORTUREFLAGS="--commands sample".
KILLS ?= 200
CALLS ?= 200
torture: build ## kill commands, fail their calls, fill their disk; every run ends with equal bits or a named refusal
	$(BUILD) halftone-torture
	.build/release/halftone-torture --kills $(KILLS) --calls $(CALLS) --seed $(SEED) $(TORTUREFLAGS)

# Swift has no sanitizer of undefined behaviour on Linux: C alone is built with it, and what it finds ends the program by SIGILL.
SANITIZE_address := --sanitize=address
SANITIZE_thread := --sanitize=thread
SANITIZE_undefined := -Xcc -fsanitize=undefined -Xcc -fsanitize-trap=undefined
SANITIZERS ?= address undefined thread
sanitize: packages ## C shims and the worker pool under the address, undefined-behaviour and thread sanitizers
	@$(foreach kind,$(SANITIZERS),echo "--- $(kind)"; \
	  $(SWIFT) build -c release --product halftone-sanitize --scratch-path .build-sanitize/$(kind) $(SANITIZE_$(kind)); \
	  TSAN_OPTIONS=halt_on_error=1 .build-sanitize/$(kind)/release/halftone-sanitize;)

demo: build ## quantise, sample and score the embedded models; QUICK=1 for a short run
	.build/release/halftone demo $(if $(QUICK),--quick)

# Python, used by nothing else here, in a folder of its own.
PEERS := .build-peers
peers: build ## time other engines beside this one (installs PyTorch, ONNX Runtime, OpenVINO in .build-peers); MODEL=FOLDER of Benchmarks
	test -x $(PEERS)/bin/pip || python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet -r Benchmarks/peers/requirements.txt
	$(PEERS)/bin/python Benchmarks/peers/compare.py --json outputs/peers.json $(if $(MODEL),--model $(MODEL)) $(PEERFLAGS)

# What other programs compute from exported files; Python again, in a folder of its own.
EXPORTS := .build-exports
test-exports: build ## run exported models in ONNX Runtime and OpenVINO (installed in .build-exports)
	test -x $(EXPORTS)/bin/pip || python3 -m venv $(EXPORTS)
	$(EXPORTS)/bin/pip install --quiet -r Benchmarks/exports/requirements.txt
	$(EXPORTS)/bin/python Benchmarks/exports/check.py --json outputs/exports.json

# For bash, zsh and fish.
COMPLETIONS := share/bash-completion/completions share/zsh/site-functions share/fish/vendor_completions.d
install: packages ## install the program, its models, presets, completions and manual under PREFIX (default /usr/local)
	$(INSTALL_BUILD)
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/halftone"
	install -s -m 755 "$$($(INSTALL_BUILD) --show-bin-path)/halftone" "$(DESTDIR)$(PREFIX)/bin/halftone"
	cp -R models samplers calib LICENSE NOTICE "$(DESTDIR)$(PREFIX)/share/halftone/"
	install -d $(foreach folder,$(COMPLETIONS) share/man/man1,"$(DESTDIR)$(PREFIX)/$(folder)")
	"$(DESTDIR)$(PREFIX)/bin/halftone" --generate-completion-script bash > "$(DESTDIR)$(PREFIX)/$(word 1,$(COMPLETIONS))/halftone"
	"$(DESTDIR)$(PREFIX)/bin/halftone" --generate-completion-script zsh > "$(DESTDIR)$(PREFIX)/$(word 2,$(COMPLETIONS))/_halftone"
	"$(DESTDIR)$(PREFIX)/bin/halftone" --generate-completion-script fish > "$(DESTDIR)$(PREFIX)/$(word 3,$(COMPLETIONS))/halftone.fish"
	"$(DESTDIR)$(PREFIX)/bin/halftone" __manual > "$(DESTDIR)$(PREFIX)/share/man/man1/halftone.1"
	@echo "Installed $(DESTDIR)$(PREFIX)/bin/halftone"

uninstall: ## remove what `make install` with the same PREFIX put there
	rm -f "$(DESTDIR)$(PREFIX)/bin/halftone"
	rm -rf "$(DESTDIR)$(PREFIX)/share/halftone"
	rm -f "$(DESTDIR)$(PREFIX)/$(word 1,$(COMPLETIONS))/halftone" "$(DESTDIR)$(PREFIX)/$(word 2,$(COMPLETIONS))/_halftone" \
	  "$(DESTDIR)$(PREFIX)/$(word 3,$(COMPLETIONS))/halftone.fish" "$(DESTDIR)$(PREFIX)/share/man/man1/halftone.1"

# Built with the libraries of the system that it is for; their packages are found by dpkg-shlibdeps (dpkg-dev).
VERSION = $(shell sed -n 's/.*"\(.*\)".*/\1/p' Sources/Workbench/Version.swift)
DEB := .build-deb
deb: ## make a Debian package of the program, its models, presets, completions and manual page
	rm -rf $(DEB)
	$(MAKE) install PREFIX=/usr DESTDIR="$(CURDIR)/$(DEB)/root"
	mkdir -p $(DEB)/debian $(DEB)/root/DEBIAN
	printf 'Source: halftone\n\nPackage: halftone\nArchitecture: any\nDescription: -\n' > $(DEB)/debian/control
	needs=$$(cd $(DEB) && dpkg-shlibdeps -O root/usr/bin/halftone | sed -n 's/^shlibs:Depends=//p'); \
	printf '%s\n' 'Package: halftone' 'Version: $(VERSION)' "Architecture: $$(dpkg --print-architecture)" \
	  'Maintainer: Halftone <halftone@localhost>' 'Section: science' 'Priority: optional' "Depends: $$needs" \
	  "Installed-Size: $$(du -sk $(DEB)/root | cut -f1)" \
	  'Description: quantise diffusion models and sample from them, on CPUs' > $(DEB)/root/DEBIAN/control
	dpkg-deb --root-owner-group --build $(DEB)/root outputs/halftone_$(VERSION)_$$(dpkg --print-architecture).deb

format: ## format all sources in place
	$(SWIFT) format format --in-place --parallel --configuration .swift-format --recursive $(FORMATTED)

lint: ## check the format of all sources
	$(SWIFT) format lint --strict --parallel --configuration .swift-format --recursive $(FORMATTED)

clean: ## remove build products
	rm -rf .build .build-install .build-deb .build-fuzz .build-sanitize Examples/.build
