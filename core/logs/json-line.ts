import { cleanLine } from './clean.ts';
import { type FieldRole, fieldRole } from './fields.ts';
import { fieldLevel, numberLevel, type Severity } from './levels.ts';
import { type Clock, fieldTime } from './time.ts';

/** What a JSON object in a line says. `message` null: none of the usual fields. `failed`: a field named like an error holds one. */
export type JsonFacts = {
  severity: Severity | null;
  time: number | null;
  component: string | null;
  message: string | null;
  status: number | null;
  failed: boolean;
};

type Found = { value: unknown; role: FieldRole };
type Collected = Partial<Record<FieldRole['is'], Found>>;

/** Longer lines are not read as JSON: their level would cost more than it tells. */
const LONGEST = 262_144;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function parse(text: string): Record<string, unknown> | null {
  if (text.length > LONGEST) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** The fields that mean something, the one of best rank of each kind. */
function collect(object: Record<string, unknown>): Collected {
  const found: Collected = {};
  for (const name in object) {
    const value = object[name];
    const role = value === null || value === '' ? null : fieldRole(name);
    if (!role) continue;
    const rival = found[role.is];
    if (!rival || role.rank < rival.role.rank) found[role.is] = { value, role };
  }
  return found;
}

/** A level may be an object with a name (Loguru), and stand inside `log` (Elastic), `record` or `fields`. */
function levelOf(value: unknown, role: FieldRole | undefined): Severity | null {
  if (role?.is !== 'level') return null;
  if (isObject(value)) return fieldLevel(value.name) ?? fieldLevel(value.no, 'python');
  return fieldLevel(typeof value === 'string' ? cleanLine(value) : value, role.kind);
}

/** Formats whose marks say how to read a level that is missing or a bare number or letter. */
function byFormat(object: Record<string, unknown>): Severity | null {
  if ('short_message' in object && typeof object.level === 'number') return numberLevel(object.level, 'syslog');
  if ('@t' in object && ('@m' in object || '@mt' in object) && !('@l' in object)) return 'info';
  if (typeof object.s === 'string' && 'c' in object && 'ctx' in object) return fieldLevel(object.s);
  return null;
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function timeOf(value: unknown, clock: Clock): number | null {
  if (!isObject(value)) return fieldTime(value, clock);
  if ('$date' in value) return fieldTime(value.$date, clock);
  return typeof value.epochSecond === 'number' ? fieldTime(value.epochSecond, clock) : null;
}

function statusOf(value: unknown): number | null {
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 100 && number <= 599 ? number : null;
}

const NESTS = new Set(['log', 'record', 'fields', 'http', 'response', 'attributes', 'res']);

function factsOf(object: Record<string, unknown>, clock: Clock): JsonFacts {
  const found = collect(object);
  const { level, time, component, message, status, error } = found;
  const stated = byFormat(object) ?? levelOf(level?.value, level?.role);
  const facts: JsonFacts = {
    severity: stated ?? (typeof status?.value === 'string' && status.role.rank === 0 ? fieldLevelWord(status.value) : null),
    time: time ? timeOf(time.value, clock) : null,
    component: text(component?.value),
    message: text(message?.value),
    status: statusOf(status?.value),
    failed: error !== undefined && error.value !== false && error.value !== 0,
  };
  return facts;
}

/** Datadog's `status: "error"`: a word, never a number. */
const fieldLevelWord = (value: string): Severity | null => (/^[a-z]+$/i.test(value) && value !== 'ok' ? fieldLevel(value) : null);

function withNested(facts: JsonFacts, object: Record<string, unknown>, clock: Clock): JsonFacts {
  if (facts.severity && facts.message) return facts;
  for (const [name, inner] of Object.entries(object)) {
    if (!NESTS.has(name.toLowerCase()) || !isObject(inner)) continue;
    const nested = factsOf(inner, clock);
    facts.severity ??= nested.severity;
    facts.message ??= nested.message;
    facts.status ??= nested.status;
    facts.component ??= nested.component;
  }
  return facts;
}

/** Reads a line that is one JSON object; null when it is none. */
export function readJson(line: string, clock: Clock): JsonFacts | null {
  const object = parse(line);
  return object ? withNested(factsOf(object, clock), object, clock) : null;
}
