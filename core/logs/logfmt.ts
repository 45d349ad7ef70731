import { fieldRole } from './fields.ts';
import { fieldLevel, type Severity } from './levels.ts';
import { type Clock, fieldTime } from './time.ts';

/** What a row of `key=value` pairs says, and where it ends. */
export type Pairs = {
  end: number;
  count: number;
  severity: Severity | null;
  time: number | null;
  component: string | null;
  message: string | null;
  status: number | null;
};

const PAIR = /([A-Za-z_@][\w.@/-]*)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(\[[^\]]*\]|[^\s"'][^\s]*)|(?=\s|$))[\s,;|]*/y;
const MOST = 64;

function note(pairs: Pairs, key: string, { value, clock }: { value: string; clock: Clock }): void {
  const role = fieldRole(key);
  if (!role) return;
  if (role.is === 'level') pairs.severity ??= fieldLevel(value, role.kind);
  else if (role.is === 'time') pairs.time ??= fieldTime(value, clock);
  else if (role.is === 'component') pairs.component ??= value;
  else if (role.is === 'message') pairs.message ??= value;
  else if (role.is === 'status' && /^[1-5]\d\d$/.test(value)) pairs.status ??= Number(value);
}

/** Reads logfmt pairs from `at` on, as far as they follow each other; quoted values may hold anything, so `msg="level=error"` states no level. */
export function readPairs(text: string, at: number, clock: Clock): Pairs {
  const pairs: Pairs = { end: at, count: 0, severity: null, time: null, component: null, message: null, status: null };
  PAIR.lastIndex = at;
  for (let match = PAIR.exec(text); match && pairs.count < MOST; match = PAIR.exec(text)) {
    const value = match[2] ?? match[3] ?? match[4] ?? '';
    note(pairs, match[1] ?? '', { value: value.replace(/[,;|]$/, ''), clock });
    pairs.end = PAIR.lastIndex;
    pairs.count++;
    if (pairs.end >= text.length) break;
  }
  return pairs;
}
