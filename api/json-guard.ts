import type { FieldProblem } from '../core/errors.ts';

/** What a request body may be at most, beside its bytes. `nodes`: values of any kind, `text_bytes`: UTF-8 bytes of one string. */
export type JsonLimits = { depth: number; nodes: number; text_bytes: number };

export const BODY_LIMITS: JsonLimits = { depth: 32, nodes: 10_000, text_bytes: 65_536 };

const RESERVED = new Set(['__proto__', 'constructor', 'prototype']);
const [QUOTE, BACKSLASH] = [34, 92];
const OPENING = new Set([123, 91]);
const CLOSING = new Set([125, 93]);

/** One JSON Pointer step, escaped as RFC 6901 says. */
export const pointerStep = (key: string | number): string => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** Where the string that opens at `from` ends (index of its closing quote). */
function stringEnd(text: string, from: number): number {
  let i = from + 1;
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i;
}

/**
 * How deep brackets nest in a JSON text, without parsing it: a parsed value of depth 5,000 (a 10 kB body) breaks everything that walks it.
 * Stops counting one above `most`.
 */
export function jsonDepth(text: string, most: number): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length && deepest <= most; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) i = stringEnd(text, i);
    else if (OPENING.has(c)) deepest = Math.max(deepest, ++depth);
    else if (CLOSING.has(c)) depth--;
  }
  return deepest;
}

/** What a string, as key or as value, cannot be: PostgreSQL stores neither NUL nor half of a surrogate pair. */
function textFault(text: string, limits: JsonLimits): string | null {
  if (text.includes('\0')) return 'must not hold NUL characters';
  if (!text.isWellFormed()) return 'must not hold lone surrogates';
  const tooLong = text.length * 3 > limits.text_bytes && Buffer.byteLength(text) > limits.text_bytes;
  return tooLong ? `must not be longer than ${limits.text_bytes} bytes, got ${Buffer.byteLength(text)}` : null;
}

/** What the walk finds: `reserved` keys would change prototypes, `faults` are values that cannot be stored, `nodes` counts all values. */
export type JsonFindings = { reserved: FieldProblem[]; faults: FieldProblem[]; nodes: number };

/**
 * Walks a parsed body of checked depth and names every key and value that nothing behind may see. Stops at `limits.nodes`.
 * Numbers that overflow (1e999) parse to Infinity and would be stored as null, so they are faults too.
 */
export function inspectJson(value: unknown, limits: JsonLimits): JsonFindings {
  const found: JsonFindings = { reserved: [], faults: [], nodes: 0 };
  visit(value, '', { found, limits });
  return found;
}

type Walk = { found: JsonFindings; limits: JsonLimits };

function visit(value: unknown, pointer: string, walk: Walk): void {
  if (++walk.found.nodes > walk.limits.nodes) return;
  if (typeof value === 'string') note(walk.found.faults, pointer, textFault(value, walk.limits));
  else if (typeof value === 'number')
    note(walk.found.faults, pointer, Number.isFinite(value) ? null : 'must be a number that fits a double');
  else if (Array.isArray(value)) for (const [i, item] of value.entries()) visit(item, `${pointer}/${i}`, walk);
  else if (typeof value === 'object' && value !== null) visitEntries(value, pointer, walk);
}

function visitEntries(value: object, pointer: string, walk: Walk): void {
  for (const [key, item] of Object.entries(value)) {
    const at = pointer + pointerStep(key);
    note(walk.found.reserved, at, RESERVED.has(key) ? `the key ${JSON.stringify(key)} is reserved` : null);
    note(walk.found.faults, at, textFault(key, walk.limits));
    visit(item, at, walk);
  }
}

function note(list: FieldProblem[], pointer: string, detail: string | null): void {
  if (detail !== null && list.length < 20) list.push({ pointer: pointer.toWellFormed().replaceAll('\0', '\uFFFD'), detail });
}
