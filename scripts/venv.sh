#!/bin/sh
# Make the virtual environment $1 with the Python $2, unless it is there and whole.
set -eu
venv=$1
python=$2

fail() {
    echo "set-up: $*" >&2
    exit 2
}

if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
command -v "$python" >/dev/null ||
    fail "Python 3.11 or newer is needed and there is no '$python'; name one, as in: make paper PYTHON=python3.11"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed and '$python' is $("$python" -c 'import platform; print(platform.python_version())'); name another, as in: make paper PYTHON=python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "'$python' cannot make virtual environments; on Debian and Ubuntu, install the package python3-venv"
"$python" -m venv "$venv"
