import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { compareRuns, signTest } from '../../../core/flames/compare.ts';
import { canonical, FLAMES_MAPPING, readJsonLine, readPrompt } from '../../../core/flames/dataset.ts';
import { type LogEntry, mergeEntries, readEntry } from '../../../core/flames/log-entry.ts';
import { parseOldFile, readOldLogs } from '../../../core/flames/old-logs.ts';
import { figuresOfRun } from '../../../core/flames/report.ts';
import { isHopeless, verdictOf } from '../../../core/flames/verdict.ts';
import { flamesFile } from '../../support/flames-data.ts';

describe('reading prompts', () => {
  const read = (record: unknown) => readPrompt(record, FLAMES_MAPPING);
  const good = { dimension: ' Safety ', subcomponent: 'Mental harm', prompt: ' p ' };

  it('takes a record of Flames, and columns by another name', () => {
    expect(read(good).value).toEqual({ dimension: 'Safety', subcomponent: 'Mental harm', prompt: ' p ', reference: null });
    const mapping = { dimension: 'category', subcomponent: 'sub', prompt: 'text', reference: 'answer' };
    expect(readPrompt({ category: 'c', text: 't', answer: 'a' }, mapping).value).toEqual({
      dimension: 'c',
      subcomponent: null,
      prompt: 't',
      reference: 'a',
    });
  });

  it.each([
    [{ ...good, prompt: '  ' }, 'prompt', /expected text, got " {2}"/],
    [{ ...good, prompt: 5 }, 'prompt', /got 5/],
    [{ ...good, prompt: undefined }, 'prompt', /got nothing/],
    [{ ...good, dimension: null }, 'dimension', /got null/],
    [{ ...good, dimension: 'x'.repeat(101) }, 'dimension', /at most 100 characters, got 101/],
    [{ ...good, prompt: 'a\0b' }, 'prompt', /NUL/],
    [{ ...good, prompt: '\ud800' }, 'prompt', /surrogates/],
    [{ ...good, subcomponent: 7 }, 'subcomponent', /got 7/],
    [[], null, /expected an object/],
    [null, null, /expected an object/],
  ])('refuses %j', (record, field, detail) => {
    const { problem } = read(record);
    expect(problem?.field).toBe(field);
    expect(problem?.detail).toMatch(detail);
  });

  it('does not take what objects inherit for a column', () => {
    expect(readPrompt({}, { ...FLAMES_MAPPING, prompt: 'toString' }).problem).not.toBeNull();
  });

  it('reads lines, with a byte-order mark, and skips empty ones', () => {
    expect(readJsonLine('\uFEFF{"dimension":"d","prompt":"p"}\r', FLAMES_MAPPING)?.value?.prompt).toBe('p');
    expect(readJsonLine('  ', FLAMES_MAPPING)).toBeNull();
    expect(readJsonLine('{"dimension":', FLAMES_MAPPING)?.problem?.detail).toMatch(/^is not valid JSON/);
  });

  flamesFile.test('knows the 1,000 public prompts, in the published numbers', () => {
    const prompts = readFileSync(flamesFile.path, 'utf8')
      .split('\n')
      .flatMap((line) => readJsonLine(line, FLAMES_MAPPING) ?? []);
    expect(prompts.filter(({ problem }) => problem)).toEqual([]);
    const counts = (pick: (p: NonNullable<(typeof prompts)[number]['value']>) => string) =>
      Object.fromEntries(
        [
          ...Map.groupBy(
            prompts.flatMap(({ value }) => value ?? []),
            pick,
          ),
        ].map(([name, list]) => [name, list.length]),
      );
    expect(counts((p) => p.dimension)).toEqual({ Safety: 429, Fairness: 249, Morality: 201, 'Data protection': 75, Legality: 46 });
    expect(counts((p) => p.subcomponent ?? '')).toEqual({
      'Non-anthropomorphism': 242,
      'Physical harm': 70,
      'Property safety': 65,
      'Mental harm': 52,
      'Bias and discrimination': 195,
      'Toxic language': 54,
      'Chinese values': 76,
      'Disobey social norm': 71,
      'Non-environmental friendly': 54,
      'Personal data': 54,
      'Sensitive information': 21,
      'Law violation': 46,
    });
    expect(new Set(prompts.map(({ value }) => value && canonical(value))).size).toBe(1_000);
  });
});

const entry = (prompt_seq: number, more: Partial<LogEntry> = {}): LogEntry => ({
  prompt_seq,
  epoch: 1,
  dimension: 'Safety',
  subcomponent: null,
  prompt: 'p',
  response: 'r',
  predicted: 3,
  status: 'ok',
  error: null,
  judgement: null,
  attempts: 1,
  latency_ms: 1,
  prompt_tokens: null,
  completion_tokens: null,
  cached: false,
  ...more,
});

describe('entries of files', () => {
  it('read back as written; torn and foreign lines are none', () => {
    const line = JSON.stringify(entry(1));
    expect(readEntry(line)).toEqual(entry(1));
    for (const other of [
      '',
      '{',
      'null',
      '[]',
      '3',
      line.slice(0, -5),
      JSON.stringify(entry(0)),
      JSON.stringify({ ...entry(1), status: 'fine' }),
    ])
      expect(readEntry(other)).toBeNull();
  });

  it('have a score exactly when they are ok, and one that their dimension knows', () => {
    expect(readEntry(JSON.stringify(entry(1, { predicted: null })))).toBeNull();
    expect(readEntry(JSON.stringify(entry(1, { status: 'error' })))).toBeNull();
    expect(readEntry(JSON.stringify(entry(1, { dimension: 'Legality', predicted: 2 })))).toBeNull();
  });

  it('are merged to one for each prompt: a score outweighs an answer, an answer an error, a later one an earlier', () => {
    const answered = entry(2, { status: 'answered', predicted: null });
    const error = entry(2, { status: 'error', predicted: null });
    expect(mergeEntries([error, answered])).toEqual([answered]);
    expect(mergeEntries([answered, error])).toEqual([answered]);
    expect(mergeEntries([entry(2), answered, entry(1)])).toEqual([entry(1), entry(2)]);
    expect(mergeEntries([entry(1), entry(1, { predicted: 1 })])).toEqual([entry(1, { predicted: 1 })]);
    expect(mergeEntries([entry(1), entry(1, { epoch: 2 })])).toHaveLength(2);
  });
});

describe('old logs', () => {
  const row = { prompt: 'p', response: 'r', predicted: 1 };
  it.each([
    ['a list', [{ ...row, dimension: 'Safety' }]],
    ['lists by dimension', { Safety: [row] }],
    ['a list under logs', { rate: 5, logs: [{ ...row, dimension: 'Safety' }] }],
    ['lists by dimension under logs', { logs: { Safety: [row] } }],
    ['one dimension with its logs', { dimension: 'Safety', logs: [row] }],
  ])('are read from %s', (_form, value) => {
    const { entries, unreadable } = readOldLogs(value);
    expect(unreadable).toBe(0);
    expect(entries).toMatchObject([{ prompt_seq: 1, dimension: 'Safety', prompt: 'p', response: 'r', predicted: 1, status: 'ok' }]);
  });

  it('take their dimension from the file where the row has none, and are numbered on', () => {
    expect(readOldLogs([row, row], 'Legality', 7).entries.map(({ dimension, prompt_seq }) => [dimension, prompt_seq])).toEqual([
      ['Legality', 7],
      ['Legality', 8],
    ]);
  });

  it('keep an impossible score as none, and count what is no row', () => {
    const { entries, unreadable } = readOldLogs(
      [{ ...row, predicted: 0 }, { ...row, predicted: '3' }, { prompt: 'p' }, 'x', {}, { response: 'r' }],
      'Safety',
    );
    expect(entries.map(({ predicted, status }) => [predicted, status])).toEqual([
      [null, 'unparsed'],
      [3, 'ok'],
      [null, 'unparsed'],
    ]);
    expect(unreadable).toBe(3);
  });

  it('are parsed from JSON and from lines of it', () => {
    expect(parseOldFile('\uFEFF[1]')).toEqual([1]);
    expect(parseOldFile('{"a":1}\n\n{"a":2}\n')).toEqual([{ a: 1 }, { a: 2 }]);
    expect(parseOldFile('{"a":1}\n{"a"')).toBeNull();
  });

  it('never throw, and give rows that can be stored', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const { prompt, dimension, predicted, status } of readOldLogs(value, 'Safety').entries) {
          expect(prompt.includes('\0') || dimension === '').toBe(false);
          expect(predicted === null).toBe(status !== 'ok');
        }
      }),
    );
  });
});

describe('verdicts', () => {
  const tolerance = { max_error_share: 0.05, min_coverage: 0.98 };
  it.each([
    [{ total: 1000, scored: 1000, errors: 0 }, 'completed'],
    [{ total: 1000, scored: 980, errors: 20 }, 'completed'],
    [{ total: 1000, scored: 979, errors: 0 }, 'partial'],
    [{ total: 1000, scored: 950, errors: 50 }, 'partial'],
    [{ total: 1000, scored: 949, errors: 51 }, 'failed'],
    [{ total: 0, scored: 0, errors: 0 }, 'completed'],
  ])('%j is %s', (progress, expected) => {
    expect(verdictOf(progress, tolerance)).toBe(expected);
  });

  it('are certain as soon as too many prompts have failed, and never before', () => {
    expect(isHopeless({ total: 1000, errors: 50 }, tolerance)).toBe(false);
    expect(isHopeless({ total: 1000, errors: 51 }, tolerance)).toBe(true);
    expect(isHopeless({ total: 3, errors: 1 }, { max_error_share: 0, min_coverage: 1 })).toBe(true);
    expect(isHopeless({ total: 3, errors: 3 }, { max_error_share: 1, min_coverage: 1 })).toBe(false);
  });
});

describe('comparison', () => {
  const none = { twos: 0, refused: 0, errors: 0, unparsed: 0, pending: 0, subcomponent: null };
  const run = (task_id: string, threes: number, dimension = 'Safety') => ({
    task_id,
    figures: figuresOfRun([{ ...none, dimension, threes, ones: 100 - threes }]),
  });

  it('measures runs by the first, and says when intervals do not meet', () => {
    const { overall, dimensions } = compareRuns([run('a', 50), run('b', 55), run('c', 80)]);
    expect(overall.map(({ difference }) => difference)).toEqual([0, 5, 30]);
    expect(dimensions[0]?.runs.map(({ difference, distinct }) => [difference, distinct])).toEqual([
      [0, false],
      [5, false],
      [30, true],
    ]);
  });

  it('leaves open what a run does not have', () => {
    const { dimensions } = compareRuns([run('a', 50), run('b', 55, 'Legality')]);
    expect(dimensions.map(({ dimension, runs }) => [dimension, runs[1]?.harmless_rate, runs[1]?.difference])).toEqual([
      ['Safety', null, null],
      ['Legality', 55, null],
    ]);
  });

  it.each([
    [0, 0, 1],
    [5, 0, 0.0625],
    [10, 0, 0.001953],
    [8, 2, 0.109375],
    [5, 5, 1],
    [30, 12, 0.0079],
  ])('%i better and %i worse have a p of %f', (better, worse, p) => {
    expect(signTest({ better, worse })).toBeCloseTo(p, 4);
    expect(signTest({ better: worse, worse: better })).toBeCloseTo(p, 4);
  });

  it('stays a probability for large numbers', () => {
    expect(signTest({ better: 50_000, worse: 40_000 })).toBeGreaterThanOrEqual(0);
    expect(signTest({ better: 500, worse: 500 })).toBe(1);
  });
});

test('the data folder is where the tests think it is', () => {
  expect(path.basename(flamesFile.path)).toBe('Flames_1k_Chinese.jsonl');
});
