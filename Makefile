# `make demo` and `make test` set up all they need, also on a fresh Debian 12; the second time they need no network.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
PYTEST_ARGS ?=
# Bytecode is kept, whatever the caller's environment says: a command or daemon as a child process starts in half the time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo demo-fleet test soak lint format bench lock audit sbom schema deb clean setup setup-dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "schoolbridge needs Python 3.11 or newer; say which with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  test "$$(id -u)" = 0 || { echo "Python's venv module is missing; install it with: sudo apt-get install python3-venv" >&2; exit 1; }; \
	  apt-get update -q && apt-get install -y -q --no-install-recommends python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# The project itself is not copied: a .pth file puts the checkout on the path, so that no build tool is needed.
$(VENV)/.setup: $(VENV)/.runtime
	@$(PY) -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "schoolbridge-checkout.pth").write_text(str(pathlib.Path.cwd()) + "\n")'
	@printf '#!/bin/sh\nexec "%s" -m bridge "$$@"\n' "$(CURDIR)/$(PY)" > $(VENV)/bin/schoolbridge && chmod 755 $(VENV)/bin/schoolbridge
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.setup
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# The extra `kerberos` has no wheels; where it can't be compiled its tests are skipped, and the next run tries again.
$(VENV)/.kerberos: requirements-kerberos.lock $(VENV)/.dev
	@$(PY) -m bridge.lab.packages kerberos || true
	@$(PY) -m pip install --quiet --disable-pip-version-check --retries 1 --require-hashes -r requirements-kerberos.lock \
	  && touch $@ || echo "the extra kerberos can't be installed: its tests will be skipped"

setup: $(VENV)/.setup
setup-dev: $(VENV)/.dev

demo: setup
	@$(PY) -m bridge.lab.packages samba || true
	@$(PY) -m bridge demo $(ARGS)

demo-fleet: setup
	@$(PY) -m bridge.lab.packages postgresql clock || true
	@$(PY) -m bridge demo-fleet $(ARGS)

# Three at a time on two processors: many tests wait for real servers.
test: setup-dev $(VENV)/.kerberos
	@$(PY) -m bridge.lab.packages samba postgresql systemd || true
	@$(PY) -m bridge.lab.packages browser || true
	$(PY) -m pytest -n 3 --dist loadscope --no-loadscope-reorder -m "not soak" $(PYTEST_ARGS)

soak: setup-dev
	@$(PY) -m bridge.lab.packages samba postgresql machine || true
	$(PY) -m pytest -m soak --timeout 3600 $(PYTEST_ARGS)

bench: setup-dev
	@$(PY) -m bridge.lab.packages samba || true
	$(PY) -m tests.benchmarks $(ARGS)

lint: setup-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: setup-dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

lock: setup-dev
	$(PY) -m pip install --quiet uv
	$(VENV)/bin/uv pip compile --universal --generate-hashes --no-header -q --extra postgresql --extra uvloop pyproject.toml -o requirements.lock
	$(VENV)/bin/uv pip compile --universal --generate-hashes --no-header -q --extra postgresql --extra uvloop --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(VENV)/bin/uv pip compile --universal --generate-hashes --no-header -q --extra kerberos -c requirements.lock pyproject.toml -o requirements-kerberos.lock

audit: setup-dev
	$(VENV)/bin/pip-audit --require-hashes --disable-pip --strict -r requirements-dev.lock

schema: setup
	$(PY) -m bridge schema --write config/schema

# The bill of materials (CycloneDX) of what `requirements.lock` installs; a package has it in /usr/share/doc/schoolbridge.
sbom: setup-dev
	@mkdir -p dist
	$(PY) -c 'import pathlib; from package.build_deb import bill; bill(pathlib.Path("dist/sbom.cdx.json"))'

# VERSION=1.2.3 for another version than the project's own. Needs Debian's python3 and dpkg-deb; no root.
deb: setup-dev
	$(PY) -m package.build_deb $(if $(VERSION),--version $(VERSION))

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
