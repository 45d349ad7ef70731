import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';
import { EngineError } from '../core/errors.ts';
import {
  type ColumnMapping,
  canonical,
  type LineProblem,
  type LineRead,
  type Prompt,
  readJsonLine,
  readPrompt,
} from '../core/flames/dataset.ts';

/** How a dataset comes: its format, and which columns or fields hold what. */
export type DatasetFile = { format: 'jsonl' | 'csv'; mapping: ColumnMapping; stream: Readable };

/** A file that was read: its prompts in order, SHA-256 of its bytes and of what they say. */
export type ReadDataset = { prompts: Prompt[]; sha256: string; content_hash: string };

const MOST_PROMPTS = 50_000;
const MOST_PROBLEMS = 100;

/** Names a prompt within a dataset, in which it may stand once. */
export const promptSha = ({ dimension, prompt }: Pick<Prompt, 'dimension' | 'prompt'>): string =>
  createHash('sha256')
    .update(JSON.stringify([dimension, prompt]))
    .digest('hex');

/**
 * Reads a file of prompts as it comes; all bad lines are named, up to a hundred.
 * @throws EngineError invalid_input: lines that are no prompts or stand twice, no prompt at all, broken CSV or UTF-8; too_large: too many prompts
 */
export async function readDataset({ format, mapping, stream }: DatasetFile): Promise<ReadDataset> {
  const bytes = createHash('sha256');
  const source = decoded(hashed(stream, bytes));
  const collected = new Collected();
  const lines = format === 'csv' ? csvRecords(source, mapping) : jsonLines(source, mapping);
  for await (const { line, read } of lines) if (!collected.add(line, read)) break;
  if (collected.problems.length > 0) throw refused(collected.problems);
  if (collected.prompts.length === 0) throw refused([{ line: 1, field: null, detail: 'the file holds no prompt' }]);
  return { prompts: collected.prompts, sha256: bytes.digest('hex'), content_hash: hashOf(collected.prompts) };
}

async function* hashed(stream: Readable, hash: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
}

/** Text of a stream of bytes. @throws EngineError invalid_input: not UTF-8 */
async function* decoded(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const chunk of chunks) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw cause;
    throw new EngineError('invalid_input', 'the file is not valid UTF-8', { cause });
  }
}

const hashOf = (prompts: readonly Prompt[]): string => {
  const hash = createHash('sha256');
  for (const prompt of prompts) hash.update(`${canonical(prompt)}\n`);
  return hash.digest('hex');
};

function refused(problems: readonly LineProblem[]): EngineError {
  const errors = problems.map(({ line, field, detail }) => ({
    pointer: `/line/${line}${field === null ? '' : `/${escaped(field)}`}`,
    detail,
  }));
  const [first] = problems;
  const what = first?.field ? ` "${first.field}"` : '';
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return new EngineError('invalid_input', `line ${first?.line}${what}: ${first?.detail}${more}`, { errors });
}

const escaped = (field: string): string => field.replaceAll('~', '~0').replaceAll('/', '~1');

/** Prompts and problems so far. */
class Collected {
  readonly prompts: Prompt[] = [];
  readonly problems: LineProblem[] = [];
  private readonly lines = new Map<string, number>();

  /** @returns false when reading on is of no use */
  add(line: number, { value, problem }: LineRead<Prompt>): boolean {
    if (problem) this.problems.push({ line, ...problem });
    else this.keep(line, value);
    return this.problems.length < MOST_PROBLEMS;
  }

  private keep(line: number, prompt: Prompt): void {
    const sha = promptSha(prompt);
    const before = this.lines.get(sha);
    if (before !== undefined) {
      this.problems.push({ line, field: null, detail: `is the same prompt as line ${before}` });
      return;
    }
    this.lines.set(sha, line);
    this.prompts.push(prompt);
    if (this.prompts.length > MOST_PROMPTS) throw new EngineError('too_large', `the file holds more than ${MOST_PROMPTS} prompts`);
  }
}

type Line = { line: number; read: LineRead<Prompt> };

async function* jsonLines(source: AsyncIterable<string>, mapping: ColumnMapping): AsyncGenerator<Line> {
  let line = 0;
  for await (const text of linesOf(source)) {
    line += 1;
    const read = readJsonLine(text, mapping);
    if (read) yield { line, read };
  }
}

/** Lines ended by LF or CRLF; the last one may have no end. */
async function* linesOf(source: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const text of source) {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest !== '') yield rest;
}

/** The header names the columns; a line that lacks fields, or has more, is a problem of its own. */
async function* csvRecords(source: AsyncIterable<string>, mapping: ColumnMapping): AsyncGenerator<Line> {
  const parser = parse({
    bom: true,
    columns: (header: string[]) => checkHeader(header, mapping),
    info: true,
    raw: true,
    skip_empty_lines: true,
  });
  const feeding = pipeline(source, parser).catch(() => undefined);
  try {
    for await (const { record, info, raw } of parser as AsyncIterable<{ record: unknown; info: { lines: number }; raw: string }>) {
      yield { line: info.lines - (raw.trim().match(/\n/g)?.length ?? 0), read: readPrompt(record, mapping) };
    }
  } catch (cause) {
    throw cause instanceof CsvError ? csvFault(cause) : cause;
  } finally {
    parser.destroy();
    await feeding;
  }
}

function checkHeader(header: string[], mapping: ColumnMapping): string[] {
  const problems = (['dimension', 'prompt'] as const)
    .filter((field) => !header.includes(mapping[field]))
    .map((field) => ({ line: 1, field: mapping[field], detail: `no column of this name; there are ${header.slice(0, 20).join(', ')}` }));
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined) problems.push({ line: 1, field: twice, detail: 'two columns have this name' });
  if (problems.length > 0) throw refused(problems);
  return header;
}

const csvFault = (cause: CsvError): EngineError => {
  const { lines } = cause as unknown as { lines?: number };
  return refused([{ line: lines ?? 1, field: null, detail: `is not valid CSV (${cause.code ?? 'broken'})` }]);
};
