#!/bin/sh
# Previews a stack and judges the change. Leaves comment.md for the pull request; exit code 1 if it must not be deployed, 2 if there is no
# preview. Run it in the folder of the Pulumi program: gate.sh <stack>. What somebody agrees to is in gate-allow.txt there, and reviewed
# like everything else: URNs or types of resources, one a line.
set -eu

pulumi preview --json --show-sames --non-interactive --stack "$1" >preview.json 2>preview.log || cat preview.log >&2

set --
if [ -f gate-allow.txt ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    [ -z "$line" ] || set -- "$@" --allow "$line"
  done <gate-allow.txt
fi

code=0
pulumi-mlflow gate preview.json --format markdown "$@" >comment.md || code=$?
[ "$code" -ne 2 ] || echo 'There is no preview of this change: see the log of the job.' >comment.md
cat comment.md
exit "$code"
