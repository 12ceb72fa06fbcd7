#!/bin/sh
# Make or refresh the virtual environment: tools/venv.sh DIRECTORY runtime|dev
#
# The file DIRECTORY/.ready says which Python and which pyproject.toml the environment was made for. It is
# written last, so an interrupted installation is repeated, and it stops matching after an upgrade of either.
set -eu

venv=$1
kind=$2
cd "$(dirname "$0")/.."

fail() {
    printf '\n%s\n\n' "$*" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 or later. Name another one: make PYTHON=python3.13 ..."
else
    for candidate in python3 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then
            PYTHON=$candidate
            break
        fi
    done
    [ -n "${PYTHON:-}" ] || fail "Python 3.11 or later is needed; found: $(python3 -V 2>/dev/null || echo none).
Debian 12 or later and Raspberry Pi OS (bookworm or later) have it: sudo apt install python3 python3-venv"
fi

version=$("$PYTHON" -c 'import sys; print(sys.version.split()[0], sys.base_prefix)')
facts="$version $(cksum <pyproject.toml)"

if [ -x "$venv/bin/python" ] && [ -f "$venv/.ready" ]; then
    case "$kind $(cat "$venv/.ready")" in
        "runtime runtime $facts" | "runtime dev $facts" | "dev dev $facts") exit 0 ;;
    esac
fi

"$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
    fail "$PYTHON cannot make a virtual environment: its venv module is not complete.
On Debian and Raspberry Pi OS: sudo apt install python3-venv"

if [ "$("$venv/bin/python" -c 'import sys; print(sys.version.split()[0], sys.base_prefix)' 2>/dev/null)" != "$version" ]; then
    echo "Making $venv with Python $version"
    rm -rf "$venv"
    "$PYTHON" -m venv "$venv"
fi
rm -f "$venv/.ready"

echo "Installing what pyproject.toml asks for ($kind) into $venv"
pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --retries 5 "$@"
}
# Dependency groups need pip 25.1; Debian 12 ships 23.0.
pip install --quiet --upgrade 'pip>=25.1'
if [ "$kind" = dev ]; then
    pip install --quiet --editable . --group dev
else
    pip install --quiet --editable .
fi
printf '%s %s\n' "$kind" "$facts" >"$venv/.ready"
