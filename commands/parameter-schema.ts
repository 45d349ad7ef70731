import { EngineError, type FieldProblem } from '../core/errors.ts';
import type { Engine } from '../engines/define-engine.ts';
import { compileSchema, engineProblems } from './validate-parameters.ts';

type Schema = Record<string, unknown>;

const MOST_BYTES = 65_536;
const MOST_DEPTH = 20;
const MOST_PATTERN = 500;

/**
 * Checks a template's schema and defaults: a schema that is small, refers to itself only, cannot stall the matcher of patterns, compiles,
 * and defaults that the engine could accept once the rest is there.
 * @throws EngineError invalid_input with pointers below `/schema` and `/parameters`
 */
export function checkDefinition(engine: Engine, schema: Schema, defaults: Schema): void {
  const faults =
    Buffer.byteLength(JSON.stringify(schema)) > MOST_BYTES ? [{ pointer: '/schema', detail: `must not exceed ${MOST_BYTES} bytes` }] : [];
  inspect(schema, '/schema', faults);
  if (faults.length > 0) throw new EngineError('invalid_input', `${faults[0]?.pointer}: ${faults[0]?.detail}`, { errors: faults });
  compileSchema(schema);
  refuseDefaults(engine, defaults);
}

/** A task may bring what is missing, so only defaults that are there can be wrong, and only where the engine itself names that field. */
function refuseDefaults(engine: Engine, defaults: Schema): void {
  const complete = engineProblems(engine.parameters, defaults);
  const errors = complete.filter(({ pointer }) =>
    Object.keys(defaults).some((key) => pointer.split('/')[2] === key.replaceAll('~', '~0').replaceAll('/', '~1')),
  );
  if (errors.length > 0) throw new EngineError('invalid_input', `parameters: ${errors[0]?.pointer} ${errors[0]?.detail}`, { errors });
}

const child = (pointer: string, key: string): string => `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;

function inspect(node: unknown, pointer: string, faults: FieldProblem[]): void {
  if (typeof node !== 'object' || node === null || faults.length >= 20) return;
  if (pointer.split('/').length > MOST_DEPTH) {
    faults.push({ pointer, detail: `must not nest deeper than ${MOST_DEPTH} levels` });
    return;
  }
  for (const [key, value] of Object.entries(node)) {
    const fault = keywordFault(key, value);
    if (fault) faults.push({ pointer: child(pointer, key), detail: fault });
    inspect(value, child(pointer, key), faults);
  }
}

const REFERENCES = new Set(['$ref', '$dynamicRef']);
const IDENTITIES = new Set(['$id', '$anchor', '$dynamicAnchor', '$vocabulary']);
const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

function keywordFault(key: string, value: unknown): string | null {
  if (key === 'patternProperties') return patternKeysFault(value);
  if (typeof value !== 'string') return null;
  if (REFERENCES.has(key)) return value.startsWith('#') ? null : 'must refer to a place in this schema (#/…)';
  if (IDENTITIES.has(key)) return 'is not allowed: schemas stand alone';
  if (key === '$schema') return value === DIALECT ? null : `must be ${DIALECT}`;
  return key === 'pattern' ? patternFault(value) : null;
}

function patternKeysFault(value: unknown): string | null {
  const patterns = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return patterns.map(patternFault).find((fault) => fault !== null) ?? null;
}

const REPETITION = /^(?:[*+]|\{\d+,\d*\})/;
/** Escapes, classes and `(?` count as one step, so that brackets in them open nothing. */
const STEP = /\\.|\[(?:[^\]\\]|\\.)*\]|\(\?(?:[:=!]|<[=!]|<[^>]*>)|./gsu;

type Groups = { outer: boolean[]; branches: boolean };

/** Moves into or out of groups; `branches` says whether the present one holds a repetition or an alternative so far. */
function take(groups: Groups, step: string, repeated: boolean): void {
  if (step.startsWith('(')) {
    groups.outer.push(groups.branches);
    groups.branches = false;
    return;
  }
  const around = step === ')' && groups.outer.pop() === true;
  groups.branches = groups.branches || around || repeated || step === '|';
}

/** A repeated group that itself holds a repetition or an alternative, at any depth, can take exponential time on a short text. */
function repeatsNested(pattern: string): boolean {
  const groups: Groups = { outer: [], branches: false };
  for (const { 0: step, index } of pattern.matchAll(STEP)) {
    const repeated = REPETITION.test(pattern.slice(index + step.length));
    if (step === ')' && repeated && groups.branches) return true;
    take(groups, step, repeated);
  }
  return false;
}

function patternFault(pattern: string): string | null {
  if (pattern.length > MOST_PATTERN) return `must not be longer than ${MOST_PATTERN} characters`;
  if (/\\[1-9]|\\k</.test(pattern)) return 'must not use back-references';
  return repeatsNested(pattern) ? 'must not repeat a group that repeats or branches: matching it may never end' : null;
}
