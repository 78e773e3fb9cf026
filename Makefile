# Everything here needs Python 3.11 to 3.14 and make; each environment is made when it is first asked for.
#   PYTHON=python3.12         the Python to make environments with (default: the newest that fits)
#   PIP_ARGS='--index-url …'  handed on to pip
#   ARGS='…'                  handed on to `chainrule train` or to pytest

environment = @PYTHON='$(PYTHON)' PIP_ARGS='$(PIP_ARGS)' sh tools/environment.sh
runtime = constraints/runtime.txt
test = $(runtime) constraints/test.txt

.PHONY: help train test check oracle fuzz mutation bench clean environment environment-check environment-oracle

help:
	@echo "make train                     train on the digits that come with the package"
	@echo "make train ARGS='FILE --help'  the same as: chainrule train FILE --help"
	@echo "make test                      the tests (ARGS='-k name' for some of them)"
	@echo "make check                     format, lint, types, architecture"
	@echo "make oracle                    the tests against PyTorch and scikit-learn"
	@echo "make fuzz                      random programs in machine code against the reference"
	@echo "make mutation                  break every derivative rule, pass and kernel, and see that a test notices"
	@echo "make bench                     what an op and a node cost beyond NumPy"
	@echo "make clean                     remove the environments and caches; runs/ stays"

train: environment
	@.venv/bin/chainrule train $(or $(ARGS),digits)

test: environment
	@.venv/bin/python -m pytest --ignore=tests/oracle $(ARGS)

check: environment-check
	@.venv-check/bin/ruff format --check .
	@.venv-check/bin/ruff check --quiet .
	@.venv-check/bin/mypy
	@.venv-check/bin/python -m pytest --quiet tests/architecture

oracle: environment-oracle
	@.venv-oracle/bin/python -m pytest tests/oracle $(ARGS)

fuzz: environment
	@.venv/bin/python -m tools.fuzz $(ARGS)

mutation: environment
	@.venv/bin/python -m tools.mutate_rules $(ARGS)
	@.venv/bin/python -m tools.mutate_native

bench: environment
	@.venv/bin/python benchmarks/overhead.py $(ARGS)

environment:
	$(environment) .venv test $(test)

environment-check:
	$(environment) .venv-check test,check $(test) constraints/check.txt

environment-oracle:
	$(environment) .venv-oracle test,oracle $(test) constraints/oracle.txt

clean:
	@rm -rf .venv .venv-check .venv-oracle .mypy_cache .pytest_cache .ruff_cache build dist
	@find chainrule tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
