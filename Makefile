# Every target works on a fresh clone: what it needs, it makes first. PYTHON=python3.x picks the Python.
export PYTHON

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-long test-backends test-frameworks test-device test-fleet fuzz soak lint check-asyncapi bench deb test-deb release release-check image test-image lock clean

help:   ## what can be done here
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

demo: .venv/.ready   ## run the sensor for some twenty seconds on a built-in actor
	@.venv/bin/python -m edge.commands.demo

test:   ## lint, types, and the tests with each interpreter
	@sh scripts/test-all

# Not part of `test`: PyTorch and JAX are gigabytes, and JAX compiles for minutes. docs/testing.md has its last run.
test-backends: .venv-backends/.ready   ## the same training steps with TensorFlow, PyTorch and JAX
	@.venv-backends/bin/python -m pytest -q tests/convert/training/test_backends.py tests/convert/training/test_distillation.py

# Not part of `test`, which would take longer than six minutes. docs/testing.md has its last passing run.
test-long: .venv-litert/.ready   ## what takes too long for `make test`
	@sh scripts/run-tests litert -m long

# Not part of `test`: two more environments of gigabytes. docs/testing.md has its last passing run.
test-frameworks: .venv-litert/.ready .venv-onnx/.ready .venv-torch/.ready   ## networks of ONNX and PyTorch, converted
	@EMOTION_EDGE_TEST_FRAMEWORKS=1 .venv-litert/bin/python -m pytest -q tests/convert/frameworks

fuzz: .venv-litert/.ready   ## 10,000 of each: configurations, requests, answers of a broker (FUZZ_EXAMPLES=n)
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-10000} .venv-litert/bin/python -m pytest -q $$(find tests -name 'test_fuzz_*.py')

soak: .venv/.ready   ## the sensor under faults at random, then a verdict (MINUTES=n, SEED=n)
	@sh scripts/soak "$(MINUTES)" "$(SEED)"

# Not part of `test`: it needs root, an hour, and Debian's packages. docs/device-test.md lists what it checks.
test-device: .venv-litert/.ready .venv-release/.ready   ## the installed service on an emulated device (SUITE=trixie)
	@sh scripts/test-device $(SUITE)

# Not part of `test`: it needs root, Debian's packages of three brokers and a database, and two quiet processors.
# docs/fleet-brokers.md has its last runs.
test-fleet: .venv-litert/.ready   ## thousands of publishers on clusters that fail (CHECKS="name ...")
	@sh scripts/test-fleet $(CHECKS)

deb: .venv-release/.ready   ## Debian packages for bookworm and trixie, amd64 and arm64, in dist/
	@sh scripts/make-deb

# Not part of `test`: it needs root, Debian's packages and some minutes. docs/device-test.md lists what it checks.
test-deb: .venv-litert/.ready .venv-release/.ready   ## the package in a fresh system in a container (SUITE=trixie)
	@sh scripts/test-deb $(SUITE)

release: .venv-release/.ready   ## source archive, wheel, packages, bills of materials and sums of the commit, in dist/VERSION
	@sh scripts/make-release

# Not part of `test`: it makes a release twice. docs/releasing.md has its last run.
release-check: .venv-release/.ready   ## make a release twice, differently, and compare
	@sh scripts/check-release

image: .venv-release/.ready   ## OCI images for amd64 and arm64, in dist/; needs root (ARCH=amd64: one of them)
	@sh scripts/make-image $(ARCH)

# Not part of `test`: it needs root, crun and mosquitto. docs/container.md has its last run.
test-image: .venv-litert/.ready   ## run the image of this architecture, or arm64 emulated (IMAGE=file), with a read-only root
	@sh scripts/test-image "$(IMAGE)"

lock: .venv-release/.ready   ## take newer versions of what the packages bring
	@sh scripts/make-lock

lint: .venv-litert/.ready   ## style, types and layers only
	@.venv-litert/bin/ruff check .
	@.venv-litert/bin/ruff format --check .
	@.venv-litert/bin/mypy
	@.venv-litert/bin/lint-imports --no-logo --no-cache

# Not part of `test`: it needs npm and its registry. docs/testing.md has its last passing run.
check-asyncapi:   ## docs/asyncapi.json with AsyncAPI's own parser; needs npm
	@sh scripts/check-asyncapi

bench: .venv/.ready   ## time each stage on this machine (ARGS="--source 0 --json mine.json")
	@.venv/bin/python -m edge.cli bench $(ARGS)

clean:   ## remove environments and caches
	rm -rf .venv .venv-litert .venv-tflite .venv-release .venv-backends .venv-onnx .venv-torch .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: pyproject.toml scripts/make-env
	@sh scripts/make-env run

.venv-litert/.ready: pyproject.toml scripts/make-env
	@sh scripts/make-env litert

.venv-release/.ready: pyproject.toml scripts/make-env distribution/requirements/tools.txt
	@sh scripts/make-env release

.venv-backends/.ready: pyproject.toml scripts/make-env
	@sh scripts/make-env backends

.venv-onnx/.ready: pyproject.toml scripts/make-env
	@sh scripts/make-env onnx

.venv-torch/.ready: pyproject.toml scripts/make-env
	@sh scripts/make-env torch

.venv-tflite/.ready: pyproject.toml scripts/make-env scripts/device_requirements.py
	@sh scripts/make-env tflite
