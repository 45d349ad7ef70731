const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Longer waits are nobody's intention. */
const LONGEST_MS = UNIT_MS.d as number;

/** `6m0s`, `1.5s`, `20ms`: how model endpoints spell when a limit resets. Milliseconds; null when it is no such text. */
function readDuration(text: string): number | null {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * (UNIT_MS[unit ?? ''] ?? 0), 0);
}

const readSeconds = (text: string): number | null => (/^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : null);

/** An HTTP date: all three forms of RFC 9110 begin with a day's name. */
function readDate(text: string, now: number): number | null {
  const at = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

const readMs = (text: string): number | null => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : null);

/** In order of how exact they are; the last two only say when a limit resets. */
const HEADERS: readonly [string, (text: string, now: number) => number | null][] = [
  ['retry-after-ms', readMs],
  ['retry-after', (text, now) => readSeconds(text) ?? readDate(text, now)],
  ['x-ratelimit-reset-requests', (text) => readDuration(text) ?? readSeconds(text)],
  ['ratelimit-reset', readSeconds],
];

/**
 * How long an endpoint asks to be left alone. Pure: `now` in milliseconds since 1970.
 * @param headers names in lower case
 * @returns milliseconds, at most a day; null when it does not say
 */
export function retryAfterMs(headers: Readonly<Record<string, string | undefined>>, now: number): number | null {
  for (const [name, read] of HEADERS) {
    const wait = read(headers[name]?.trim() ?? '', now);
    if (wait !== null) return Math.min(LONGEST_MS, Math.ceil(wait));
  }
  return null;
}
