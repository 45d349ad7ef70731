import type { Severity } from './levels.ts';

/** What an HTTP status says of the line that reports it: the server failed, the client was refused, or all is well. */
export function statusSeverity(status: number): Severity {
  if (status >= 500) return 'error';
  return status >= 400 ? 'warning' : 'info';
}

/** The request in quotes, then the status: common and combined log format, Envoy, Traefik, Django, uvicorn. */
const QUOTED = /"(?:-|[A-Z]{3,16} (?:[^"\\]|\\.)*|(?:[^"\\]|\\.)*)" ([1-5]\d\d)(?= |$)/y;
/** AWS load balancers: two statuses before the request. */
const BALANCER = / ([1-5]\d\d) (?:[1-5]\d\d|-) \d+ \d+ "[A-Z-]/;
/** HAProxy's HTTP log: frontend, backend/server, timers, status. */
const HAPROXY = / [^\s/]+\/\S+ [\d+-]+(?:\/[\d+-]+){3,4} (-?\d+) \d+ /;
const METHODS = '(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH)';
/** Without quotes: Express' morgan, Gin, Fiber, Squid, Rails, IIS. */
const BARE = [
  new RegExp(`^${METHODS} \\S+ ([1-5]\\d\\d) [\\d.]+ ?(?:ms|s|µs)`),
  new RegExp(`\\| +([1-5]\\d\\d) \\|.{0,120}\\b${METHODS}\\b`),
  /\bTCP_[A-Z_]+\/([1-5]\d\d) \d+ /,
  /^Completed ([1-5]\d\d) [A-Z]/,
  new RegExp(`^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d \\S+ ${METHODS} \\S+ .* ([1-5]\\d\\d) \\d+ \\d+(?: \\d+){0,4}$`),
];
const BARE_HINT = new RegExp(`TCP_|Completed |${METHODS} `);

function inQuotes(line: string): string | undefined {
  const at = line.indexOf('"');
  if (at === -1 || at > 400) return undefined;
  QUOTED.lastIndex = at;
  return QUOTED.exec(line)?.[1] ?? BALANCER.exec(line)?.[1] ?? (line.includes('haproxy') ? HAPROXY.exec(line)?.[1] : undefined);
}

function bare(line: string): string | undefined {
  if (!BARE_HINT.test(line)) return undefined;
  for (const pattern of BARE) {
    const match = pattern.exec(line);
    if (match) return match[1];
  }
  return undefined;
}

/** The HTTP status that an access line reports, null when the line is none. HAProxy's -1 (no answer was sent) counts as 499. */
export function readStatus(line: string): number | null {
  const status = inQuotes(line) ?? bare(line);
  if (status === undefined) return null;
  return Number(status) > 0 ? Number(status) : 499;
}
