#!/usr/bin/env bash
# Try an installed command line as a new user does, away from the source: `make package` calls it.
set -euo pipefail
bayescale=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export XDG_CACHE_HOME="$work/cache" # compiles its samplers, as on a new machine
"$bayescale" --version
"$bayescale" models --csv >models.csv
"$bayescale" data list --csv >data.csv
"$bayescale" fit compute-only --quiet >/dev/null
"$bayescale" predict fits/compute-only --at params=70B,tokens=15T,family=Llama-3 --csv --quiet
"$bayescale" plan optimum --published hoffmann-2022 --flops 5.76e23 --csv >plan.csv
"$bayescale" report fits/compute-only --question params=70B,tokens=15T --budget 1e25
test -s reports/compute-only/index.html
