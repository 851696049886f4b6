# `make report` and `make test` are each enough on a fresh machine with git, make and a Python.
# uv (the user's, or one in .uv/) finds a Python of 3.12 or later, or downloads one.

UV_VERSION := 0.13.9
PYTHON ?= $(shell for p in python3.13 python3.12 python3 /usr/bin/python3 python; do \
	$$p -c 'import venv, ensurepip' 2>/dev/null && echo $$p && break; done)
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
ENV := .venv/.ready
TORCH := .venv/.measure
# What users have, without what only tests need: some of that is loaded wherever it is installed.
USERS := build/users/.ready

.PHONY: report docs chromium test lint fast long package learn-priors more-compute bench \
	bench-benchmarks bench-curves bench-design bench-engine bench-left-out bench-refits bench-rows \
	bench-scalebench bench-skill bench-start full-circle lock clean
.DELETE_ON_ERROR:
unexport PYTHONDONTWRITEBYTECODE

# All of reports/. What the forecast-skill page says is measured by bench-skill, which takes long.
report: $(ENV)
	.venv/bin/bayescale report
	.venv/bin/python tests/benchmarks/skill_page.py

# The site, in build/docs/html. Its commands and code are run, once for a state of the package; then
# its pages are looked at in a browser.
docs: $(TORCH) chromium
	.venv/bin/sphinx-build -W --keep-going --quiet -b html -d build/docs/doctrees docs build/docs/html
	.venv/bin/python -m pytest -q -n 2 tests/docs/test_site.py

test: lint $(TORCH) chromium
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

fast: $(ENV)
	.venv/bin/python -m pytest -m "not slow"

# The wheel, built from the source distribution, in an environment that holds nothing else.
package: $(ENV) | $(UV)
	rm -rf dist build/bare build/lib build/bdist.*
	$(UV) build --quiet --python .venv/bin/python --no-build-isolation --out-dir dist
	$(UV) venv --quiet --python .venv/bin/python build/bare
	$(UV) pip install --quiet --python build/bare --constraints requirements.lock dist/*.whl
	tests/installed.sh build/bare/bin/bayescale

long: $(ENV)
	.venv/bin/python -m pytest -n 2 -m long

learn-priors: $(ENV)
	.venv/bin/python tests/benchmarks/learn_priors.py

bench-refits: $(ENV)
	.venv/bin/python tests/benchmarks/refits.py

bench: $(USERS)
	build/users/bin/python tests/benchmarks/ratios.py

bench-engine: $(USERS) | $(UV)
	build/users/bin/python tests/benchmarks/engine.py

bench-start: $(USERS)
	build/users/bin/python tests/benchmarks/start.py

bench-rows: $(USERS)
	build/users/bin/python tests/benchmarks/rows.py

bench-curves: $(ENV) | $(UV)
	.venv/bin/python tests/benchmarks/curves.py

bench-scalebench: $(ENV) | $(UV)
	.venv/bin/python tests/benchmarks/scalebench.py

bench-design: $(ENV)
	.venv/bin/python tests/benchmarks/design.py

bench-benchmarks: $(ENV)
	.venv/bin/python tests/benchmarks/benchmarks.py

bench-skill: $(ENV) | $(UV)
	.venv/bin/python tests/benchmarks/skill.py

# The same with priors that have not seen the table that is scored.
bench-left-out: $(ENV)
	.venv/bin/python tests/benchmarks/skill_left_out.py

# The claim of the source paper, on models since.
more-compute: $(ENV)
	.venv/bin/python tests/benchmarks/more_compute.py

full-circle: $(TORCH)
	.venv/bin/python tests/benchmarks/full_circle.py

# Tests read the report in a real browser.
chromium:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } \
		|| { echo "no chromium found; install Debian's package chromium" >&2; exit 1; }

lint: $(ENV)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

$(ENV) $(USERS): requirements.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --python ">=3.12,<3.15" $(@D)
	$(UV) pip sync --quiet --compile-bytecode --python $(@D) --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(@D) --no-deps --no-build-isolation --editable .
	touch $@

# What measures and trains models (torch) is large; only tests and the documentation need it. Python
# compiles what they import, which is a fraction.
$(TORCH): requirements-measure.lock $(ENV)
	$(UV) pip sync --quiet --python .venv --require-hashes requirements-measure.lock
	$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	touch $@

.uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "no Python with venv found; install python3-venv, or uv" >&2; exit 1; }
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

lock: | $(UV)
	$(UV) pip compile --quiet --universal --python-version 3.12 --group dev --generate-hashes \
		--no-emit-index-url --output-file requirements.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.12 --group dev --group docs --extra measure \
		--extra cluster --extra excel --extra trackers --extra priors --generate-hashes \
		--no-emit-index-url --constraints requirements.lock \
		--output-file requirements-measure.lock pyproject.toml

clean:
	rm -rf .venv .uv .mypy_cache .pytest_cache .ruff_cache build *.egg-info
