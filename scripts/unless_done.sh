#!/bin/sh
# Make the file $1 by a command that writes to $2, unless it was made from inputs of the same
# content: unless_done.sh RESULT PARTIAL "INPUT INPUT ..." COMMAND ...
# Beside the result lie the checksums of its inputs; what time it is, or a file says, plays no part.
set -eu
result=$1 partial=$2 inputs=$3
shift 3
command -v sha256sum >/dev/null || sha256sum() { shasum -a 256 "$@"; }

sums=$(sha256sum $inputs)
if [ -f "$result" ] && [ "$sums" = "$(cat "$result.inputs" 2>/dev/null)" ]; then
    exit
fi
rm -f "$result.inputs" # a run that ends early leaves nothing that says it was done
echo "$@"
"$@"
mv "$partial" "$result"
echo "$sums" >"$result.inputs"
