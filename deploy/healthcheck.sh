#!/bin/sh
# The API is healthy when it says that it is ready. The other roles answer no requests: alive is healthy, and whether a worker
# works is seen by its heartbeat in GET /api/v1/workers.
[ "$(cat /tmp/role 2>/dev/null)" = api ] || exit 0
exec node -e "fetch('http://127.0.0.1:${API_PORT:-3000}/readyz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"
