#!/bin/sh
# Make one virtual environment of this checkout, unless it stands already:
#     sh tools/environment.sh FOLDER EXTRAS CONSTRAINTS...
# for example  sh tools/environment.sh .venv test constraints/runtime.txt constraints/test.txt
# PYTHON names the Python to use (default: the newest that fits); PIP_ARGS is handed on to pip.
#
# FOLDER/made is written last and says what the environment was made from. One that is half made, or was made from other
# pins, by another Python or in another place, is thrown away and made anew.
set -u

folder=$1
extras=$2
shift 2
log=$folder/install.log
wanted=${PYTHON:-}
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))'

stop() {
    echo "chainrule: $1" >&2
    exit 1
}

made_from() {
    echo "$PWD $extras $(cat pyproject.toml constraints/build.txt "$@" tools/environment.sh | cksum)"
}

stands() {
    { read -r origin && read -r python; } 2>/dev/null < "$folder/made" || return 1
    [ "$origin" = "$(made_from "$@")" ] || return 1
    [ -z "$wanted" ] || [ "$python" = "$wanted" ] || return 1
    "$folder/bin/python" -c '' 2>/dev/null
}

# Sets $python. A name on the PATH proves nothing (a version manager's stand-in may only complain), so each is run.
find_python() {
    without_venv=
    for python in ${wanted:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
        "$python" -c "$fits" 2>/dev/null || continue
        "$python" -c 'import ensurepip, venv' 2>/dev/null && return
        without_venv=${without_venv:-$python}
    done
    [ -z "$without_venv" ] ||
        stop "$without_venv has no venv module; install it (on Debian and Ubuntu: apt install python3-venv)"
    [ -z "$wanted" ] || stop "PYTHON=$wanted is not a Python 3.11 to 3.14 that runs"
    stop "needs Python 3.11 to 3.14 and found none; install one (python.org, or: apt install python3 python3-venv)"
}

failed() {
    reason=$(sed -n 's/^ *E[Rr][Rr][Oo][Rr]: *//p' "$log" | head -n 1)
    # pip calls an unreachable index a conflict of versions.
    grep -q 'after connection broken by' "$log" && reason="pip cannot reach its package index"
    stop "could not make $folder${reason:+ ($reason)}; see $log, then run make again"
}

stands "$@" && exit 0
find_python
trap 'echo; stop "interrupted; $folder is not ready, run make again"' INT TERM
echo "chainrule: making $folder with $("$python" -c 'import platform; print("Python", platform.python_version())') (once)"

rm -rf "$folder"
mkdir -p "$folder"
"$python" -m venv "$folder" > "$log" 2>&1 || failed

# Older pips read the build's pins from the first name, newer ones from the second.
pins=
for file in "$@"; do
    pins="$pins -c $file"
done
# shellcheck disable=SC2086  # several words on purpose
PIP_CONSTRAINT=constraints/build.txt PIP_BUILD_CONSTRAINT=constraints/build.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$folder/bin/python" -m pip install $pins ${PIP_ARGS:-} --editable ".[$extras]" >> "$log" 2>&1 || failed

{ made_from "$@"; echo "$wanted"; } > "$folder/made"
