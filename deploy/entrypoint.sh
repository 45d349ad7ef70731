#!/bin/sh
# Starts one role of the orchestrator: api, dispatcher, worker or prepare; what follows the role is passed on.
set -eu
role=${1:-api}
[ $# -gt 0 ] && shift
case $role in
  api | dispatcher | worker) program=$role/main.ts ;;
  prepare) program=platform/prepare.ts ;;
  *)
    echo "unknown role \"$role\": expected api, dispatcher, worker or prepare" >&2
    exit 64
    ;;
esac
echo "$role" >/tmp/role
exec node --disable-warning=ExperimentalWarning "$program" "$@"
