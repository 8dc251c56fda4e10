cd /tmp/wt/f-lease; export PYTHONPATH=$PWD
/work/main/.venv/bin/ruff format . -q; /work/main/.venv/bin/ruff check . ; /work/main/.venv/bin/mypy 2>&1 | tail -20
