# make run     serve the demonstration: two accounts, two links to open in two windows
# make test    all tests, with what they need from Debian and npm where that may be installed;
#              with THOROUGH=1 four times as much of what is tried at random
# make check   style, types, import layers, documentation, coverage of the last `make test`, instructions
# make docs    the documentation as a site, in .cache/docs
# make links   follow the links that lead out of the documentation; this needs a network
# make bench   this checkout beside Prosody and ejabberd, then docs/performance.md
# make clean   forget everything that these made, but the accounts of `make run`

.POSIX:
.PHONY: run test check style installed types layers docs links coverage bench clean
.DELETE_ON_ERROR:

VENV = .venv
BIN = $(VENV)/bin
CACHE = .cache
COVERAGE = 95
ARGS =
# More than there are processors: clients and servers of the tests wait much.
WORKERS = $$(($$(getconf _NPROCESSORS_ONLN) + 2))
PIP = $(BIN)/python -m pip --disable-pip-version-check -qq

run: $(VENV)/.server
	@$(BIN)/andiron serve --demo $(ARGS) || { status=$$?; \
		echo "Options for the server are given so: make run ARGS='--port 9000'" >&2; exit $$status; }

test: $(VENV)/.test
	.ci/peers
	# What one worker and one process compiled is not compiled again by all the others.
	unset PYTHONDONTWRITEBYTECODE; \
		COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("ctrace" if sys.version_info < (3, 12) else "sysmon")') \
		$(BIN)/pytest -ra --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report= $(ARGS)

check: style types layers docs coverage instructions

style: $(VENV)/.check
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# What checks imports must see the package as it is installed: an editable
# installation hides the mapping of folders to packages.
installed: $(VENV)/.check
	rm -rf build $(CACHE)/installed
	$(PIP) install --no-deps --target $(CACHE)/installed .
	rm -rf build

types: installed
	cd $(CACHE) && MYPYPATH=installed ../$(BIN)/mypy --config-file ../pyproject.toml
	MYPYPATH=$(CACHE)/installed $(BIN)/mypy --explicit-package-bases tests/conftest.py tests/interop
	MYPYPATH=bench:$(CACHE)/installed $(BIN)/mypy -p load -p compare -p soaking
	cd examples/starlette && MYPYPATH=$(CURDIR)/$(CACHE)/installed $(CURDIR)/$(BIN)/mypy --cache-dir ../../.mypy_cache --config-file ../../pyproject.toml -m mysite
	cd examples/fastapi_jwt && MYPYPATH=$(CURDIR)/$(CACHE)/installed $(CURDIR)/$(BIN)/mypy --cache-dir ../../.mypy_cache --config-file ../../pyproject.toml -m mysite
	cd examples/django && MYPYPATH=$(CURDIR)/$(CACHE)/installed $(CURDIR)/$(BIN)/mypy --cache-dir ../../.mypy_cache --config-file ../../pyproject.toml -p mysite

layers: installed
	cd $(CACHE) && PYTHONPATH=installed ../$(BIN)/lint-imports --config ../pyproject.toml

# Anew each time: what was made before would not warn again.
docs: $(VENV)/.docs
	rm -rf $(CACHE)/docs $(CACHE)/doctrees
	$(BIN)/sphinx-build --fail-on-warning --quiet -d $(CACHE)/doctrees docs $(CACHE)/docs
	@echo "The documentation: file://$(CURDIR)/$(CACHE)/docs/index.html"

links: $(VENV)/.docs
	$(BIN)/sphinx-build --builder linkcheck -d $(CACHE)/doctrees docs $(CACHE)/links

coverage: $(VENV)/.test .coverage
	$(BIN)/coverage report --fail-under=$(COVERAGE)

.coverage:
	$(MAKE) test

# What a message, a sign-in and a BOSH request may take of the processor.
instructions: $(VENV)/.test
	$(BIN)/python bench/instructions.py

bench: $(VENV)/.bench
	$(BIN)/python bench/run $(ARGS)

clean:
	rm -rf $(VENV) $(CACHE) build *.egg-info *.db-lock .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache tests/interop/node_modules

# An empty file for each extra that is installed; a later pyproject.toml makes it stale.
$(VENV)/.server: $(VENV)/.made pyproject.toml
	$(PIP) install --editable '.[server]'
	touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml
	$(PIP) install --editable '.[test]'
	touch $@

$(VENV)/.check: $(VENV)/.made pyproject.toml
	$(PIP) install --editable '.[check]'
	touch $@

$(VENV)/.docs: $(VENV)/.made pyproject.toml
	$(PIP) install --editable '.[docs]'
	touch $@

$(VENV)/.bench: $(VENV)/.made pyproject.toml
	$(PIP) install --editable '.[server,bench]'
	touch $@

$(VENV)/.made:
	python=$$(.ci/python) && "$$python" -m venv --clear $(VENV)
	touch $@
