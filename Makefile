# Each command runs a small script in tools/, which also works alone.
.DEFAULT_GOAL := help
.PHONY: help run test test-programs test-all soak bench build format lint clean

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

run: ## Start the echo server on 127.0.0.1:8081
	@tools/install_packages tools/packages/run && tools/build_extension && echo "Listening on 127.0.0.1:8081; Ctrl-C ends it." && exec ruby -Ilib examples/ruby/echo_server.rb

test: ## Build with sanitizers and with clang, then run every check and every test
	@tools/install_packages tools/packages/run tools/packages/test tools/packages/programs && exec tools/run_tests core

test-programs: ## Run the tests with large programs of others: databases, message brokers and mail servers
	@tools/install_packages tools/packages/run tools/packages/test tools/packages/programs tools/packages/large_programs && exec tools/run_tests large-programs

test-all: ## Run test and test-programs, with one summary
	@tools/install_packages tools/packages/run tools/packages/test tools/packages/programs tools/packages/large_programs && exec tools/run_tests core large-programs

soak: ## Run the fuzzers for about half an hour, with new seeds each time
	@tools/install_packages tools/packages/run tools/packages/test && exec tools/run_soak

bench: build ## Measure our programs against their peers
	@tools/install_packages bench/packages && exec bench/compare

build: ## Build the C library (build/release) and the Ruby extension (lib/rubyeventmachine.so)
	@tools/install_packages tools/packages/run tools/packages/build && tools/build_library release && tools/build_extension

format: ## Format all C sources by .clang-format
	@tools/install_packages tools/packages/lint && tools/list_sources | xargs -r clang-format -i

lint: ## Check layout and layers, and run the static analysers
	@tools/install_packages tools/packages/run tools/packages/lint && exec tools/lint

clean: ## Remove everything that was built
	@rm -rf build lib/rubyeventmachine.so
