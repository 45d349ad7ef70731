import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { CommandContext } from '../../commands/context.ts';
import { createFlamesDataset, type DatasetCreation } from '../../commands/create-flames-dataset.ts';
import { FLAMES_MAPPING } from '../../core/flames/dataset.ts';
import { listPrompts, readPrompts } from '../../entities/flames-dataset.queries.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { contextOf, countOf, makeUser } from '../support/factories.ts';
import { flamesFile } from '../support/flames-data.ts';

let db: TestDatabase;
let ctx: CommandContext;
beforeAll(async () => {
  db = await createTestDatabase();
  ctx = contextOf(db.em, await makeUser(db.em));
});
afterAll(() => db.drop());

/** The text in small pieces, as a slow sender would send it. */
const streamOf = (text: string | Buffer, size = 7): Readable => {
  const bytes = Buffer.from(text);
  return Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size)),
    { objectMode: false },
  );
};
const create = (text: string | Buffer, more: Partial<DatasetCreation> = {}) =>
  createFlamesDataset(
    { ...ctx, em: db.orm.em.fork() as Em },
    { name: 'd', shared: false, format: 'jsonl', mapping: FLAMES_MAPPING, stream: streamOf(text), ...more },
  );
const line = (prompt: string, dimension = 'Safety') => JSON.stringify({ dimension, subcomponent: 's', prompt });
const rows = () => countOf(db.em, 'flames_prompt');

test('a file becomes version 1, the same content no other one, and other content version 2', async () => {
  const { dataset, created } = await create(`${line('一')}\n\n${line('二', 'Legality')}\r\n`, { name: 'versions' });
  expect(created).toBe(true);
  expect(dataset).toMatchObject({ name: 'versions', version: 1, prompts: 2, user: 'ada', format: 'jsonl' });
  expect(dataset.groups).toEqual([
    { dimension: 'Safety', subcomponent: 's', prompts: 1 },
    { dimension: 'Legality', subcomponent: 's', prompts: 1 },
  ]);
  const again = await create(`\uFEFFdimension,subcomponent,prompt\r\nSafety,s,一\r\nLegality,s,二\r\n`, {
    name: 'versions',
    format: 'csv',
  });
  expect([again.created, again.dataset.id]).toEqual([false, dataset.id]);
  const other = await create(line('三'), { name: 'versions' });
  expect([other.created, other.dataset.version]).toEqual([true, 2]);
  expect(other.dataset.content_hash).not.toBe(dataset.content_hash);
});

test('two uploads of the same at once are one dataset, of different ones two versions', async () => {
  const same = await Promise.all([1, 2, 3].map(() => create(line('gleich'), { name: 'raced' })));
  expect(new Set(same.map(({ dataset }) => dataset.id)).size).toBe(1);
  expect(same.filter(({ created }) => created)).toHaveLength(1);
  const different = await Promise.all(['a', 'b', 'c'].map((prompt) => create(line(prompt), { name: 'raced' })));
  expect(different.map(({ dataset }) => dataset.version).sort()).toEqual([2, 3, 4]);
});

test('bad lines are all named with their numbers, and nothing is stored', async () => {
  const before = await rows();
  const text = [line('gut'), '{"dimension":', '', '{"dimension":"Safety"}', line('gut'), '[]'].join('\n');
  await expect(create(text)).rejects.toMatchObject({
    code: 'invalid_input',
    message: expect.stringMatching(/^line 2: is not valid JSON.* \(and 3 more\)$/),
    errors: [
      { pointer: '/line/2' },
      { pointer: '/line/4/prompt', detail: 'expected text, got nothing' },
      { pointer: '/line/5', detail: 'is the same prompt as line 1' },
      { pointer: '/line/6', detail: 'expected an object, got []' },
    ],
  });
  expect(await rows()).toBe(before);
});

test('at most a hundred bad lines are named', async () => {
  const text = Array.from({ length: 5_000 }, () => '{}').join('\n');
  await expect(create(text)).rejects.toMatchObject({ errors: { length: 100 } });
});

test('CSV by a column mapping, with quoted line ends, keeps numbers of lines', async () => {
  const mapping = { dimension: 'kind', subcomponent: 'sub kind', prompt: 'text', reference: 'right' };
  const csv = 'text,kind,right\n"a\nb",Safety,42\n"c ""d"", e",Fairness,\n';
  const { dataset } = await create(csv, { name: 'mapped', format: 'csv', mapping });
  expect(await readPrompts(db.em as Em, { dataset_id: dataset.id, after: 0, limit: 10 })).toEqual([
    { seq: 1, dimension: 'Safety', subcomponent: null, prompt: 'a\nb', reference: '42' },
    { seq: 2, dimension: 'Fairness', subcomponent: null, prompt: 'c "d", e', reference: null },
  ]);
  const bad = `text,kind\n"a\nb\nc",Safety\nfine,Safety\n"x\ny",\n`;
  await expect(create(bad, { format: 'csv', mapping })).rejects.toMatchObject({
    errors: [{ pointer: '/line/6/kind', detail: 'expected text, got ""' }],
  });
});

test.each([
  ['a header without the columns', 'text,kind\na,b\n', 'line 1 "dimension": no column of this name; there are text, kind (and 1 more)'],
  ['a column twice', 'prompt,dimension,prompt\na,b,c\n', 'line 1 "prompt": two columns have this name'],
  ['a line with too many fields', 'prompt,dimension\na,b\na,b,c\n', 'line 3: is not valid CSV (CSV_RECORD_INCONSISTENT_COLUMNS)'],
  ['a quote without end', 'prompt,dimension\n"a,b\n', /is not valid CSV \(CSV_QUOTE_NOT_CLOSED\)/],
  ['a header alone', 'prompt,dimension\n', 'line 1: the file holds no prompt'],
])('CSV with %s is refused', async (_what, csv, message) => {
  await expect(create(csv, { format: 'csv' })).rejects.toMatchObject({
    code: 'invalid_input',
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  });
});

test('what is not UTF-8, and an empty file, are refused', async () => {
  for (const format of ['jsonl', 'csv'] as const) {
    await expect(create(Buffer.from([0x7b, 0xff, 0xfe]), { format })).rejects.toMatchObject({ message: 'the file is not valid UTF-8' });
    await expect(create('', { format })).rejects.toMatchObject({ code: 'invalid_input' });
  }
});

test('a stream that breaks off leaves nothing behind', async () => {
  const broken = (text: string) =>
    Readable.from(
      (function* () {
        yield Buffer.from(text);
        throw new Error('connection lost');
      })(),
      { objectMode: false },
    );
  const before = await rows();
  await expect(create('', { stream: broken(`${line('x')}\n`) })).rejects.toThrow('connection lost');
  await expect(create('', { format: 'csv', stream: broken('prompt,dimension\na,b\n') })).rejects.toThrow('connection lost');
  expect(await rows()).toBe(before);
});

test('sharing is for operators', async () => {
  await expect(create(line('x'), { shared: true })).rejects.toMatchObject({ code: 'forbidden' });
  const operator = contextOf(db.em, await makeUser(db.em, 'operator', { role: 'operator' }));
  const file = { name: 'shared', shared: true, format: 'jsonl' as const, mapping: FLAMES_MAPPING, stream: streamOf(line('x')) };
  expect((await createFlamesDataset(operator, file)).dataset).toMatchObject({ shared: true, version: 1 });
});

flamesFile.test('the 1,000 public prompts come in as they are, with their audit row', async () => {
  const { dataset } = await create('', { name: 'flames', stream: createReadStream(flamesFile.path) });
  expect(dataset).toMatchObject({ prompts: 1_000, sha256: expect.stringMatching(/^f53400dcbb87.*2a3cd47613fa$/) });
  const sums = Object.groupBy(dataset.groups, ({ dimension }) => dimension);
  expect(
    Object.fromEntries(Object.entries(sums).map(([name, list = []]) => [name, list.reduce((sum, { prompts }) => sum + prompts, 0)])),
  ).toEqual({
    Safety: 429,
    Fairness: 249,
    Morality: 201,
    'Data protection': 75,
    Legality: 46,
  });
  expect(dataset.groups).toHaveLength(12);
  const page = await listPrompts(db.em as Em, { dataset_id: dataset.id, dimension: 'Legality' }, { limit: 100, cursor: null });
  expect([page.items.length, page.next_cursor]).toEqual([46, null]);
  const audit = await query(db.em as Em, `select actor, action from audit_log where subject_type = 'flames_dataset' and subject_id = $1`, [
    String(dataset.id),
  ]);
  expect(audit).toEqual([{ actor: 'user:ada', action: 'flames_dataset.create' }]);
});
