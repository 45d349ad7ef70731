/** One prompt of a dataset. `reference`: the expected answer, for scorers that compare; null where there is none. */
export type Prompt = { dimension: string; subcomponent: string | null; prompt: string; reference: string | null };

/** Which column or field holds what. `subcomponent` and `reference` are taken where the file has them. */
export type ColumnMapping = Record<keyof Prompt, string>;

/** The published Flames files, and any other that names its columns so. */
export const FLAMES_MAPPING: ColumnMapping = {
  dimension: 'dimension',
  subcomponent: 'subcomponent',
  prompt: 'prompt',
  reference: 'reference',
};

/** What is wrong with a line, for the one who sent it. `line` counts from 1. */
export type LineProblem = { line: number; field: string | null; detail: string };
export type LineRead<T> = { value: T; problem: null } | { value: null; problem: { field: string | null; detail: string } };

const LONGEST: Record<keyof Prompt, number> = { dimension: 100, subcomponent: 200, prompt: 32_768, reference: 32_768 };
const FIELDS = Object.keys(LONGEST) as (keyof Prompt)[];
const OPTIONAL: readonly (keyof Prompt)[] = ['subcomponent', 'reference'];
const NAMES: readonly (keyof Prompt)[] = ['dimension', 'subcomponent'];

const bad = (field: string | null, detail: string): LineRead<never> => ({ value: null, problem: { field, detail } });

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57).toWellFormed()}…` : text;
};

/** Why a value cannot be stored, null when it can. */
function faultOf(value: unknown, longest: number): string | null {
  if (typeof value !== 'string' || value.trim() === '') return `expected text, got ${shown(value)}`;
  if (value.length > longest) return `expected at most ${longest} characters, got ${value.length}`;
  return value.includes('\0') || !value.isWellFormed() ? 'holds NUL characters or lone surrogates' : null;
}

const isAbsent = (field: keyof Prompt, value: unknown): boolean =>
  OPTIONAL.includes(field) && (value === undefined || value === null || value === '');
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A record of a file as a prompt. White space around names is dropped, that of prompts is theirs. */
export function readPrompt(record: unknown, mapping: ColumnMapping): LineRead<Prompt> {
  if (!isRecord(record)) return bad(null, `expected an object, got ${shown(record)}`);
  const found: Prompt = { dimension: '', subcomponent: null, prompt: '', reference: null };
  for (const field of FIELDS) {
    const value: unknown = Object.hasOwn(record, mapping[field]) ? record[mapping[field]] : undefined;
    if (isAbsent(field, value)) continue;
    const fault = faultOf(value, LONGEST[field]);
    if (fault) return bad(mapping[field], fault);
    found[field] = NAMES.includes(field) ? (value as string).trim() : (value as string);
  }
  return { value: found, problem: null };
}

/** One line of a JSONL file; null for an empty one. */
export function readJsonLine(line: string, mapping: ColumnMapping): LineRead<Prompt> | null {
  const text = line.replace(/^\uFEFF/, '').trim();
  if (text === '') return null;
  try {
    return readPrompt(JSON.parse(text), mapping);
  } catch (cause) {
    const at = /at position \d+/.exec((cause as Error).message)?.[0];
    return bad(null, `is not valid JSON${at ? ` ${at}` : ''}`);
  }
}

/** A prompt as one text: equal prompts, in whatever file format, give equal texts. */
export const canonical = ({ dimension, subcomponent, prompt, reference }: Prompt): string =>
  JSON.stringify([dimension, subcomponent, prompt, reference]);
