import { z } from 'zod';
import { EngineError, type FieldProblem } from '../core/errors.ts';
import type { Route } from './define-route.ts';
import { pointerStep } from './json-guard.ts';
import { refuse } from './problem.ts';

type Issue = z.core.$ZodIssue;

/** Fields whose values are never repeated in an answer. */
const CONFIDENTIAL = new Set(['value', 'api_key', 'authorization']);
const NOTHING = z.strictObject({});

const pointerOf = (path: readonly PropertyKey[]): string => path.map((step) => pointerStep(String(step))).join('');

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown> | null | undefined)?.[step], root);
}

/** What came instead, short enough to read. */
function received(root: unknown, path: readonly PropertyKey[]): string {
  if (path.some((step) => CONFIDENTIAL.has(String(step)))) return '';
  const shown = JSON.stringify(valueAt(root, path)) ?? 'nothing';
  return `, got ${shown.length > 80 ? `${shown.slice(0, 77).toWellFormed()}…` : shown}`;
}

/** The alternative of a union that the sender most likely meant: one whose outermost type fits, else the one with the fewest faults. */
function meant(alternatives: readonly (readonly Issue[])[]): readonly Issue[] {
  const rank = (issues: readonly Issue[]) =>
    (issues.some((i) => i.path.length === 0 && i.code === 'invalid_type') ? 1_000 : 0) + issues.length;
  return alternatives.toSorted((a, b) => rank(a) - rank(b))[0] ?? [];
}

function describeIssue(issue: Issue, root: unknown, base: readonly PropertyKey[]): FieldProblem[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ pointer: pointerOf([...path, key]), detail: 'is not a known field' }));
  if (issue.code === 'invalid_union' && issue.errors.length > 0)
    return meant(issue.errors).flatMap((inner) => describeIssue(inner, root, path));
  const cleaned = issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '');
  return [{ pointer: pointerOf(path), detail: `${cleaned}${received(root, path)}` }];
}

/** Parses one part of a request. `prefix`: '' for the body, `/query`, `/path` or `/headers` for the others, or the place of what is parsed within the body. */
export function parsePart<S extends z.ZodType>(schema: S, value: unknown, prefix: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues
    .flatMap((issue) => describeIssue(issue, value, []))
    .slice(0, 100)
    .map(({ pointer, detail }) => ({ pointer: prefix + pointer, detail }));
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  throw new EngineError('invalid_input', `${first?.pointer || 'the body'}: ${first?.detail}${more}`, { errors });
}

/** Unknown query parameters are refused: a misspelt filter must not show everything. */
function refuseUnknownQuery(schema: z.ZodType, query: Record<string, unknown>): void {
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const unknown = Object.keys(query).filter((key) => !known.includes(key));
  if (unknown.length === 0) return;
  const errors = unknown.map((key) => ({
    pointer: `/query${pointerStep(key)}`,
    detail: `is not a known parameter; known: ${known.join(', ') || 'none'}`,
  }));
  throw refuse(400, `unknown query parameter ${unknown.map((key) => JSON.stringify(key)).join(', ')}`, errors);
}

type RawRequest = { params: unknown; query: Record<string, unknown>; headers: Record<string, unknown>; body: unknown };

/**
 * The request as its route declared it.
 * @throws EngineError invalid_input with a pointer for each bad field
 */
export function parseInput(route: Route, raw: RawRequest) {
  const query = route.query ?? NOTHING;
  refuseUnknownQuery(query, raw.query);
  return {
    params: parsePart(route.params ?? NOTHING, raw.params, '/path'),
    query: parsePart(query, raw.query, '/query'),
    headers: route.headers ? parsePart(route.headers, raw.headers, '/headers') : {},
    body: parsePart(route.body ?? NOTHING, raw.body === undefined && !route.body ? {} : raw.body, ''),
  };
}
