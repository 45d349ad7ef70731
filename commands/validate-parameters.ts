import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { z } from 'zod';
import { EngineError, type FieldProblem } from '../core/errors.ts';
import { withinTime } from './within-time.ts';

type Schema = Record<string, unknown>;
type Compiled = (parameters: unknown) => FieldProblem[];

const CACHE_SIZE = 500;
const cache = new Map<string, Compiled>();

/** A template version's schema. `key` must change with it; `is_own`: whether it is the engine's own, asked once. */
export type KnownSchema = { key: string; schema: Schema; is_own: () => boolean };

/**
 * Checks parameters against a template's JSON Schema (2020-12). Compiled schemas are cached.
 * @returns one problem per bad field, pointers below `/parameters`; empty: all is well
 * @throws EngineError invalid_input: the check was given up
 */
export function schemaProblems({ key, schema, is_own }: KnownSchema, parameters: unknown): FieldProblem[] {
  let check = cache.get(key);
  if (!check) {
    check = is_own() ? compileSchema(schema) : timed(compileSchema(schema), schema);
    if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value ?? '');
    cache.set(key, check);
  }
  return check(parameters);
}

/** What can make a check take longer than its input is long. */
const SLOW = /"(?:pattern|patternProperties|format|uniqueItems|\$ref|\$dynamicRef)":/;

/** Schemas are written by people; a bad one must not hold up everybody's requests. A thrown error, since further items would take as long. */
function timed(check: Compiled, schema: Schema): Compiled {
  if (!SLOW.test(JSON.stringify(schema))) return check;
  return (parameters) => {
    const checked = withinTime(() => check(parameters));
    if (checked) return checked.value;
    const detail = "takes too long to check against the template's schema";
    throw new EngineError('invalid_input', `parameters: ${detail}`, { errors: [{ pointer: '/parameters', detail }] });
  };
}

/**
 * Compiles a JSON Schema. Remote references are never fetched: they are an error.
 * @throws EngineError invalid_input: the schema itself is not valid
 */
export function compileSchema(schema: Schema): Compiled {
  const ajv = new Ajv2020({ allErrors: true, strict: false, validateSchema: true, unicodeRegExp: true, allowUnionTypes: true });
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  let validate: ValidateFunction;
  try {
    validate = ajv.compile(schema);
  } catch (cause) {
    const detail = `is not a valid JSON Schema (2020-12): ${(cause as Error).message}`;
    throw new EngineError('invalid_input', `schema ${detail}`, { cause, errors: [{ pointer: '/schema', detail }] });
  }
  return (parameters) => (validate(parameters) ? [] : (validate.errors ?? []).slice(0, 50).map(problemOf));
}

function problemOf(error: ErrorObject): FieldProblem {
  const missing = error.keyword === 'required' ? `/${escapePointer(String(error.params.missingProperty))}` : '';
  const extra = error.keyword === 'additionalProperties' ? `/${escapePointer(String(error.params.additionalProperty))}` : '';
  return { pointer: `/parameters${error.instancePath}${missing}${extra}`, detail: error.message ?? error.keyword };
}

/** What an engine's own schema finds wrong with the parameters. */
export function engineProblems(schema: z.ZodType, parameters: unknown): FieldProblem[] {
  const parsed = schema.safeParse(parameters);
  if (parsed.success) return [];
  return parsed.error.issues.flatMap(problemsOf).slice(0, 50);
}

/** An object's unknown keys are one issue, but a bad field each. */
function problemsOf(issue: z.core.$ZodIssue): FieldProblem[] {
  const pointer = `/parameters${issue.path.map((part) => `/${escapePointer(String(part))}`).join('')}`;
  if (issue.code !== 'unrecognized_keys') return [{ pointer, detail: issue.message }];
  return issue.keys.map((key) => ({ pointer: `${pointer}/${escapePointer(key)}`, detail: 'is not known here' }));
}

const escapePointer = (part: string): string => part.replaceAll('~', '~0').replaceAll('/', '~1');
