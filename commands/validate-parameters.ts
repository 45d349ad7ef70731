import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { z } from 'zod';
import { EngineError, type FieldProblem } from '../core/errors.ts';

type Schema = Record<string, unknown>;
type Compiled = (parameters: unknown) => FieldProblem[];

const CACHE_SIZE = 500;
const cache = new Map<string, Compiled>();

/**
 * Checks parameters against a template's JSON Schema (2020-12). Compiled schemas are cached by `key`, which must change with the schema.
 * @returns one problem per bad field, pointers below `/parameters`; empty: all is well
 */
export function schemaProblems(key: string, schema: Schema, parameters: unknown): FieldProblem[] {
  let check = cache.get(key);
  if (!check) {
    check = compileSchema(schema);
    if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value ?? '');
    cache.set(key, check);
  }
  return check(parameters);
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
