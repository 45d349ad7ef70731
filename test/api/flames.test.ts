import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import supertest from 'supertest';
import { csvLines } from '../../api/csv-lines.ts';
import type { CommandContext } from '../../commands/context.ts';
import { figuresOfRun } from '../../core/flames/report.ts';
import { FlamesKeeper } from '../../dispatcher/flames-keeper.ts';
import { tallyEntries } from '../../engines/flames/figures.ts';
import { type Em, query } from '../../entities/sql.ts';
import { LOG_COLUMNS } from '../../entities/task-flames-log.copy.ts';
import { insertTaskLogs, type TaskLog } from '../../entities/task-flames-log.queries.ts';
import { type Caller, createTestApi, type TestApi } from '../support/api.ts';
import { contextOf, countOf, makeTemplate } from '../support/factories.ts';
import { beginRun, evaluationOf, logRows, makeDataset, RULES, runRow, type TestArtifacts } from '../support/flames.ts';
import { ModelServer } from '../support/model-server.ts';
import { binary, unzip } from '../support/unpack.ts';

let api: TestApi;
let ctx: CommandContext;
let server: ModelServer;
let artifacts: TestArtifacts;
let keeper: FlamesKeeper;

beforeAll(async () => {
  api = await createTestApi();
  server = await new ModelServer().start();
  await makeTemplate(api.em, 'f', { engine: 'flames' });
  await makeTemplate(api.em, 'flames', { engine: 'flames' });
  await query(api.em, `update workers set engines = engines || array['flames']`);
  ctx = contextOf(api.em, api.user);
  artifacts = { folder: api.folder, store: api.artifacts, remove: async () => undefined };
  const places = { artifacts: api.artifacts, old_dir: path.join(api.folder, 'flames-old') };
  const logger = { info: () => undefined, warn: () => undefined, debug: () => undefined } as never;
  keeper = new FlamesKeeper({ fork: () => api.em.fork() as Em, database_url: api.database.url, logger, places });
});
afterAll(async () => {
  await server.stop();
  await api.stop();
});
beforeEach(() => {
  server.forget();
  server.script = {};
});

async function* batchOf<T>(rows: readonly T[]): AsyncGenerator<readonly T[]> {
  yield rows;
}

const get = async (url: string, caller: Caller = api.user) => await api.as(caller).get(url);
const download = async (url: string): Promise<Buffer> => {
  const answer = await api.as(api.user).get(url).buffer(true).parse(binary);
  expect([url, answer.status]).toEqual([url, 200]);
  return answer.body as Buffer;
};
const evaluate = async (prompts: number, more: Record<string, unknown> = {}): Promise<string> => {
  const dataset_id = await makeDataset(ctx, prompts);
  const run = await beginRun({ ctx, artifacts, parameters: evaluationOf(server, dataset_id, more) });
  await run.end();
  return run.task_id;
};
const oldFile = async (task_id: string, name: string, content: unknown) => {
  const folder = path.join(api.folder, 'flames-old', task_id, 'logs');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
};
/** Does something while the table of rows is not where it should be. */
const withoutTable = async <T>(work: () => Promise<T>): Promise<T> => {
  await query(api.em, 'alter table task_flames_logs rename to hidden_logs');
  try {
    return await work();
  } finally {
    await query(api.em, 'alter table hidden_logs rename to task_flames_logs');
  }
};
const oldRow = (predicted: number, more: object = {}) => ({ prompt: `alt ${predicted}`, response: 'r', predicted, ...more });

describe('datasets', () => {
  const upload = (url: string, body: string | Buffer, type = 'application/x-ndjson') =>
    api
      .as(api.user)
      .post(`/flames/datasets?${url}`)
      .set('Content-Type', type)
      .serialize((value: unknown) => value as string)
      .send(body);

  test('are uploaded as lines or CSV, packed or not, once for each content', async () => {
    const text = '{"dimension":"Safety","prompt":"一"}\n{"dimension":"Fairness","prompt":"二"}\n';
    const first = await upload('name=up', text);
    expect([first.status, first.body.version, first.body.prompts]).toEqual([201, 1, 2]);
    expect(first.headers.location).toBe(`/api/v1/flames/datasets/${first.body.id}`);
    const again = await upload('name=up', gzipSync(text)).set('Content-Encoding', 'gzip');
    expect([again.status, again.body.id]).toEqual([200, first.body.id]);
    const csv = await upload('name=up&prompt=q&dimension=kind', 'q,kind\n三,Safety\n', 'text/csv');
    expect([csv.status, csv.body.version, csv.body.mapping.prompt]).toEqual([201, 2, 'q']);
    const prompts = await get(`/flames/datasets/${csv.body.id}/prompts`);
    expect(prompts.body.items).toEqual([{ seq: 1, dimension: 'Safety', subcomponent: null, prompt: '三', reference: null }]);
    expect((await get('/flames/datasets?name=up')).body.items.map((d: { version: number }) => d.version)).toEqual([2, 1]);
  });

  test('are refused with the numbers of their bad lines', async () => {
    const answer = await upload('name=bad', '{"dimension":"Safety","prompt":"一"}\n{}\nx\n');
    expect([answer.status, answer.headers['content-type']]).toEqual([422, 'application/problem+json; charset=utf-8']);
    expect(answer.body.errors.map((e: { pointer: string }) => e.pointer)).toEqual(['/line/2/dimension', '/line/3']);
    expect((await get('/flames/datasets?name=bad')).body.items).toEqual([]);
  });

  test('are their owner’s, unless they are shared, and stay with their runs when they go', async () => {
    const id = (await upload('name=mine', '{"dimension":"Safety","prompt":"一"}')).body.id;
    expect((await get(`/flames/datasets/${id}`, api.stranger)).status).toBe(404);
    expect((await upload('name=theirs&shared=true', '{"dimension":"Safety","prompt":"一"}')).status).toBe(403);
    await query(api.em, 'update flames_dataset set shared = true where id = $1', [id]);
    expect((await get(`/flames/datasets/${id}`, api.stranger)).status).toBe(200);
    expect((await api.as(api.stranger).delete(`/flames/datasets/${id}`)).status).toBe(403);
    expect((await api.as(api.user).delete(`/flames/datasets/${id}`)).status).toBe(204);
    expect((await get(`/flames/datasets/${id}`)).status).toBe(404);
  });

  test('are not deleted while they are asked', async () => {
    const dataset_id = await makeDataset(ctx, 2);
    const run = await beginRun({ ctx, artifacts, parameters: evaluationOf(server, dataset_id) });
    expect((await api.as(api.user).delete(`/flames/datasets/${dataset_id}`)).status).toBe(409);
    await run.end();
    expect((await api.as(api.user).delete(`/flames/datasets/${dataset_id}`)).status).toBe(204);
  });

  test('that are not there for the user cannot be evaluated', async () => {
    const dataset_id = await makeDataset(ctx, 2);
    const submit = (caller: Caller, id: number) =>
      api
        .as(caller)
        .post('/tasks')
        .send({ template: 'f', parameters: evaluationOf(server, id) });
    for (const answer of [await submit(api.stranger, dataset_id), await submit(api.user, 999_999)]) {
      expect([answer.status, answer.body.errors[0].pointer]).toEqual([422, '/parameters/dataset_id']);
    }
    expect((await submit(api.operator, dataset_id)).status).toBe(201);
  });
});

describe('a report', () => {
  test('has the figures of its rows, and its examples are the lowest', async () => {
    server.script = { unparsed: 0.1, filtered: 0.1 };
    const task_id = await evaluate(60, { min_coverage: 0.5 });
    const rows = await logRows(api.em, task_id);
    const { status, body } = await get(`/flames/flames_report/${task_id}?limit_per_dimension=3`);
    expect([status, body.source, body.total]).toEqual([200, 'database', 60]);
    const expected = figuresOfRun(await tallyEntries(rows as never));
    expect({ overall: body.overall, dimensions: body.dimensions }).toEqual(JSON.parse(JSON.stringify(expected)));
    for (const { dimension, logs } of body.examples) {
      const own = rows.filter((row) => row.dimension === dimension).map(({ predicted }) => predicted ?? 4);
      expect(logs.map((log: { predicted: number | null }) => log.predicted ?? 4)).toEqual(own.sort().slice(0, 3));
    }
    expect((await get(`/flames/runs/${task_id}`)).body).toMatchObject({
      status: 'completed',
      macro_rate: body.overall.macro_rate,
      score_sets: [],
    });
  });

  test('comes from files while the table cannot be read, with the same figures', async () => {
    const task_id = await evaluate(20);
    const before = (await get(`/flames/flames_report/${task_id}`)).body;
    const { status, body } = await withoutTable(() => get(`/flames/flames_report/${task_id}`));
    expect([status, body.source]).toEqual([200, 'files']);
    expect(body).toEqual({ ...before, source: 'files' });
  });

  test('of a run under way has what is there', async () => {
    const dataset_id = await makeDataset(ctx, 30);
    const run = await beginRun({ ctx, artifacts, parameters: evaluationOf(server, dataset_id) });
    const { body } = await get(`/flames/flames_report/${run.task_id}`);
    expect(body).toMatchObject({ status: 'running', total: 30, overall: { n: 0, macro_rate: null }, examples: [] });
    await run.end();
  });

  test('is downloaded in four forms that say the same', async () => {
    const task_id = await evaluate(30, { scorer: RULES });
    const report = (await get(`/flames/flames_report/${task_id}`)).body;
    const url = `/flames/download_flames_report/${task_id}?format=`;
    expect(JSON.parse((await download(`${url}json`)).toString())).toEqual(report);
    const csv = (await download(`${url}csv`)).toString().split('\r\n');
    expect(csv[0]).toMatch(/^\uFEFFlevel,dimension,subcomponent,n,scored/);
    expect(csv[1]).toBe(`overall,,,30,30,100,0,0,30,0,0,0,0,100,${report.overall.rate_low},100,100,100,100`);
    expect(csv).toHaveLength(1 + 1 + 5 + 10 + 1);
    const markdown = (await download(`${url}markdown`)).toString();
    expect(markdown).toContain('**Overall harmless rate 100 %**');
    expect(markdown).toContain('| Legality | 6 | 6 | 0 | 0 | 6 | 100 |');
    const sheets = await unzip(await download(`${url}xlsx`));
    expect([...sheets.keys()]).toEqual(expect.arrayContaining(['xl/workbook.xml', 'xl/worksheets/sheet1.xml', 'xl/worksheets/sheet2.xml']));
    const answer = await get(`${url}xlsx`);
    expect(answer.headers['content-disposition']).toMatch(new RegExp(`^attachment; filename="?flames_report_${task_id}.xlsx"?$`));
  });

  test('in Markdown and workbooks shows what a model said as text, whatever it is', async () => {
    const task_id = 'nasty';
    await query(api.em, `insert into task_flames (task_id, user_id, status) values ($1, $2, 'completed')`, [task_id, api.user.id]);
    const response = '=cmd|calc\n```\n<script>alert(1)</script>\n````\n[x](javascript:y)';
    await insertTaskLogs(api.em, task_id, { logs: [{ dimension: '=1+1', predicted: 1, prompt: '@SUM(A1)', response }] });
    const markdown = (await download(`/flames/download_flames_report/${task_id}?format=markdown`)).toString();
    expect(markdown).toContain('`````text\n=cmd|calc\n```\n<script>');
    const xlsx = await unzip(await download(`/flames/download_flames_report/${task_id}?format=xlsx`));
    expect(xlsx.get('xl/worksheets/sheet2.xml')).not.toContain('<f>');
    const csv = (await download(`/flames/download_flames_logs/${task_id}?format=csv`)).toString();
    for (const text of ["'=1+1", "'@SUM(A1)", `"'=cmd|calc`]) expect(csv).toContain(text);
  });
});

describe('rows', () => {
  test('are the same CSV whether PostgreSQL writes them or we do', async () => {
    const task_id = 'nasty-rows';
    await query(api.em, `insert into task_flames (task_id, user_id, status) values ($1, $2, 'completed')`, [task_id, api.user.id]);
    const texts = [
      '=1',
      '+1',
      '-1',
      '@x',
      '\t=1',
      '\r=1',
      '＝1',
      '＋1',
      '－1',
      '＠1',
      ' =1',
      'a=1',
      '"',
      '"=1"',
      'a\nb',
      'a\r\nb',
      'a,b',
      "'",
      '\\',
      '\\.',
      '\u0001\u0002',
      '😀',
      '\u2028',
    ];
    const logs = texts.map((text) => ({
      dimension: text,
      subcomponent: text,
      predicted: null,
      prompt: text,
      response: text,
      judgement: text,
      error: text,
    }));
    await insertTaskLogs(api.em, task_id, { logs });
    const url = `/flames/download_flames_logs/${task_id}`;
    const lines = (await download(url))
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ prompt }) => prompt)).toEqual(texts);
    let ours = '';
    for await (const chunk of csvLines(LOG_COLUMNS, batchOf(lines))) ours += chunk;
    const records = (csv: string) => parse(csv, { bom: true, columns: true });
    const theirs = (await download(`${url}?format=csv`)).toString();
    expect(theirs.startsWith('\uFEFFtask_id,')).toBe(true);
    expect(records(theirs)).toEqual(records(ours));
    expect(records(theirs)).toHaveLength(texts.length);
  });

  test('are downloaded as lines, CSV and an archive by dimension', async () => {
    const task_id = await evaluate(35, { epochs: 2 });
    const rows = await logRows(api.em, task_id);
    const url = `/flames/download_flames_logs/${task_id}`;
    const lines = (await download(url))
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ prompt_seq, epoch, predicted, response }) => ({ prompt_seq, epoch, predicted, response }))).toEqual(
      rows.map(({ prompt_seq, epoch, predicted, response }) => ({ prompt_seq, epoch, predicted, response })),
    );
    expect(lines[0]).toMatchObject({ task_id, scorer: 'judge_llm', status: 'ok', created_at: expect.any(String) });
    expect(parse(await download(`${url}?format=csv`), { bom: true, columns: true })).toHaveLength(70);
    const archive = await unzip(await download(`${url}?format=zip&zip_of=ndjson`));
    expect([...archive.keys()].sort()).toEqual(
      ['Data protection', 'Fairness', 'Legality', 'Morality', 'Safety'].map((name) => `${name}.ndjson`),
    );
    expect([...archive.values()].join('').trim().split('\n')).toHaveLength(70);
    expect((await download(`${url}?dimension=Legality`)).toString().trim().split('\n')).toHaveLength(14);
    const filed = await withoutTable(() => download(url));
    const strip = (text: string) =>
      text
        .trim()
        .split('\n')
        .map((line) => ({ ...JSON.parse(line), created_at: null, scorer: null }));
    expect(strip(filed.toString())).toEqual(strip((await download(url)).toString()));
  });

  test('are removed on request, and the figures stay', async () => {
    const task_id = await evaluate(10);
    const before = (await get(`/flames/flames_report/${task_id}`)).body;
    const answer = await api.as(api.user).delete(`/flames/runs/${task_id}/logs`);
    expect([answer.status, answer.body]).toEqual([200, { removed: 10 }]);
    const { body } = await get(`/flames/flames_report/${task_id}`);
    expect(body).toEqual({ ...before, source: 'summary', examples: [] });
    expect((await get(`/flames/download_flames_logs/${task_id}`)).status).toBe(404);
    for await (const { key } of api.artifacts.list(`flames/${task_id}/`)) throw new Error(`left: ${key}`);
    expect((await api.as(api.user).delete(`/flames/runs/${task_id}`)).status).toBe(204);
    expect((await get(`/flames/runs/${task_id}`)).status).toBe(404);
  });

  test('of a run under way are not removed', async () => {
    const dataset_id = await makeDataset(ctx, 2);
    const run = await beginRun({ ctx, artifacts, parameters: evaluationOf(server, dataset_id) });
    for (const url of [`/flames/runs/${run.task_id}`, `/flames/runs/${run.task_id}/logs`])
      expect((await api.as(api.user).delete(url)).status).toBe(409);
    await run.end();
  });
});

describe('scoring again', () => {
  test('is a task, whose scores are a set of their own', async () => {
    const task_id = await evaluate(12, { scorer: { ...RULES, otherwise: 1, rules: [{ match: 'exact', pattern: 'x', score: 3 }] } });
    const scorer = { kind: 'rules', rules: [{ match: 'regex', pattern: '回答', score: 3 }] };
    const answer = await api.as(api.user).post(`/flames/runs/${task_id}/rescore`).send({ scorer });
    expect([answer.status, answer.body.type, answer.body.parameters.rescore_of]).toEqual([201, 'flames', task_id]);
    const [set] = (await get(`/flames/runs/${task_id}`)).body.score_sets;
    expect(set).toMatchObject({ task: answer.body.uuid, status: 'pending', total: 12, scorer: 'rules' });
    const again = await beginRun({ ctx, artifacts, parameters: { rescore_of: task_id, scorer } });
    await again.end();
    const sets = (await get(`/flames/runs/${task_id}`)).body.score_sets;
    expect(sets[1]).toMatchObject({ status: 'completed', done: 12, macro_rate: 100 });
    expect((await get(`/flames/flames_report/${task_id}`)).body.overall.macro_rate).toBe(0);
    const report = (await get(`/flames/flames_report/${task_id}?score_set=${sets[1].id}`)).body;
    expect(report).toMatchObject({ score_set: sets[1].id, overall: { macro_rate: 100, n: 12 } });
    expect(report.examples[0].logs[0]).toMatchObject({ predicted: 3, status: 'ok' });
    const lines = (await download(`/flames/download_flames_logs/${task_id}?score_set=${sets[1].id}`)).toString().trim().split('\n');
    expect(lines.every((line) => JSON.parse(line).predicted === 3)).toBe(true);
    for (const url of ['flames_report', 'download_flames_logs']) {
      const unknown = await get(`/flames/${url}/${task_id}?score_set=999999`);
      expect([unknown.status, unknown.body.errors[0].pointer]).toEqual([422, '/query/score_set']);
    }
  });

  test('asks for a run that has ended, and a scorer that is one', async () => {
    const dataset_id = await makeDataset(ctx, 2);
    const run = await beginRun({ ctx, artifacts, parameters: evaluationOf(server, dataset_id) });
    const answer = await api.as(api.user).post(`/flames/runs/${run.task_id}/rescore`).send({ scorer: RULES });
    expect([answer.status, answer.body.errors[0]]).toEqual([
      422,
      { pointer: '/rescore_of', detail: `run ${run.task_id} is running: only one that has ended can be scored again` },
    ]);
    await run.end();
    const bad = { kind: 'rules', rules: [{ match: 'regex', pattern: '(?=x)', score: 3 }] };
    const refused = await api.as(api.user).post(`/flames/runs/${run.task_id}/rescore`).send({ scorer: bad });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, '/scorer/rules/0/pattern']);
  });
});

test('runs are compared by dimension and prompt by prompt, with warnings', async () => {
  const dataset_id = await makeDataset(ctx, 25);
  const ids: string[] = [];
  const scorers = [RULES, { kind: 'rules', rules: [{ match: 'regex', pattern: '问题 [0-9] ', score: 1 }], otherwise: 3 }];
  for (const scorer of scorers) {
    const run = await beginRun({ ctx, artifacts, parameters: evaluationOf(server, dataset_id, { scorer }) });
    await run.end();
    ids.push(run.task_id);
  }
  const { status, body } = await get(`/flames/compare/${ids[1]}?with=${ids[0]}`);
  expect([status, body.runs.map((run: { task_id: string }) => run.task_id)]).toEqual([200, [ids[1], ids[0]]]);
  expect(body.overall[1]).toEqual({ task_id: ids[0], harmless_rate: 100, difference: 100 - body.overall[0].harmless_rate });
  expect(body.changes).toEqual([{ task_id: ids[0], compared: 25, better: 10, worse: 0, same: 15, p_value: 0.001953 }]);
  expect(body.warnings).toEqual([`${ids[0]} and ${ids[1]} were not scored alike`]);
  expect((await get(`/flames/compare/${ids[1]}`)).body.runs.map((run: { task_id: string }) => run.task_id)).toEqual([ids[1], ids[0]]);
  const other = await get(`/flames/compare/${ids[1]}?with=${ids[0]}&with=nobody`);
  expect([other.status, other.body.errors[0].pointer]).toEqual([422, '/query/with/1']);
});

describe('when an insert failed', () => {
  test('the report is served from files, and the repair brings the rows in', async () => {
    await query(
      api.em,
      `create function break_logs() returns trigger language plpgsql as $$ begin raise exception 'no room' using errcode = '53100'; end $$`,
    );
    await query(api.em, `create trigger break_logs before insert on task_flames_logs for each row execute function break_logs()`);
    const task_id = await evaluate(20);
    expect(await runRow(api.em, task_id)).toMatchObject({ status: 'completed', logs: 'files' });
    const before = (await get(`/flames/flames_report/${task_id}`)).body;
    expect(before).toMatchObject({ source: 'files', overall: { n: 20, scored: 20 } });
    await query(api.em, `update task_flames set repair_at = now() where task_id = $1`, [task_id]);
    await keeper.tick();
    const postponed = await query<{ repair_tries: number; repair_error: string; later: boolean }>(
      api.em,
      'select repair_tries, repair_error, repair_at > now() as later from task_flames where task_id = $1',
      [task_id],
    );
    expect(postponed).toEqual([{ repair_tries: 1, repair_error: expect.stringContaining('no room'), later: true }]);
    expect((await get(`/flames/runs/${task_id}`)).body).toMatchObject({ logs: 'files', repair_error: expect.stringContaining('no room') });
    await query(api.em, `drop trigger break_logs on task_flames_logs`);
    await query(api.em, `drop function break_logs()`);
    await query(api.em, `update task_flames set repair_at = now() where task_id = $1`, [task_id]);
    await keeper.tick();
    expect(await logRows(api.em, task_id)).toHaveLength(20);
    expect(await runRow(api.em, task_id)).toMatchObject({ logs: 'database', repair_at: null });
    expect((await get(`/flames/flames_report/${task_id}`)).body).toEqual({ ...before, source: 'database' });
  });

  test('and the engine could not even say how it ended, the figures are computed from what there is', async () => {
    const dataset_id = await makeDataset(ctx, 10);
    const run = await beginRun({ ctx, artifacts, parameters: evaluationOf(server, dataset_id) });
    const logs: TaskLog[] = [{ dimension: 'Safety', predicted: 3, prompt: 'p', response: 'r', prompt_seq: 1 }];
    await insertTaskLogs(api.em, run.task_id, { logs });
    await query(api.em, `update tasks set status = 'failed', completed_at = now() where uuid = $1`, [run.task_id]);
    await keeper.tick();
    expect(await runRow(api.em, run.task_id)).toMatchObject({
      status: 'failed',
      repair_at: null,
      result: { overall: { n: 1, scored: 1 } },
    });
  });
});

describe('old evaluations', () => {
  const register = (body: object) => api.as(api.operator).post('/flames/old-runs').send(body);
  const report = async (task_id: string) => (await get(`/flames/flames_report/${task_id}`, api.operator)).body;

  test('with logs inside their result are read as they are, and imported', async () => {
    const result = { rate: 0.5, logs: { Safety: [oldRow(3), oldRow(1)], Legality: [oldRow(3), oldRow(2)] } };
    const times = { submit_time: '2024-05-01T00:00:00Z', end_time: '2024-05-01T02:00:00Z' };
    const answer = await register({ task_id: 'flames_20240501', name: 'alt', model: 'chat', ...times, result });
    expect([answer.status, answer.body]).toMatchObject([
      201,
      { task: null, logs: 'result', status: 'completed', end_time: '2024-05-01T02:00:00.000Z' },
    ]);
    expect((await register({ task_id: 'flames_20240501' })).status).toBe(409);
    const before = await report('flames_20240501');
    expect(before).toMatchObject({ source: 'result', overall: { n: 4, scored: 3, unparsed: 1, macro_rate: 75 } });
    const imported = await api.as(api.operator).post('/flames/runs/flames_20240501/import');
    expect([imported.status, imported.body]).toEqual([200, { task_id: 'flames_20240501', rows: 4, unreadable: 0, logs: 'database' }]);
    expect(await report('flames_20240501')).toEqual({ ...before, total: 4, source: 'database', examples: expect.anything() });
    const stored = await query<{ result: object }>(api.em, `select result from task_flames where task_id = 'flames_20240501'`);
    expect(stored[0]?.result).toMatchObject({ rate: 0.5, overall: { n: 4 } });
    expect(stored[0]?.result).not.toHaveProperty('logs');
    expect((await api.as(api.operator).post('/flames/runs/flames_20240501/import')).body.rows).toBe(4);
  });

  test('in files are read as they are, and imported all together, each once', async () => {
    await register({ task_id: 'filed-1', end_time: '2024-01-01T00:00:00Z' });
    await oldFile('filed-1', 'Safety.json', [oldRow(3), oldRow(1)]);
    await oldFile(
      'filed-1',
      'data_protection.jsonl',
      `${JSON.stringify(oldRow(1))}\n${JSON.stringify(oldRow(3, { dimension: 'Fairness' }))}\n`,
    );
    await oldFile('unknown-2', 'all.json', { logs: [oldRow(3, { dimension: 'Safety' })] });
    await register({ task_id: 'inside-3', result: { logs: [oldRow(1, { dimension: 'Safety' }), 'no row'] } });
    const before = await report('filed-1');
    expect(before).toMatchObject({ source: 'files', overall: { n: 4, scored: 4 } });
    expect(before.dimensions.map((d: { dimension: string }) => d.dimension)).toEqual(['Fairness', 'Safety', 'Data protection']);
    const asked = await api.as(api.operator).post('/flames/import');
    expect([asked.status, asked.body.found]).toEqual([202, 1]);
    await keeper.tick();
    await api.as(api.operator).post('/flames/import');
    await keeper.tick();
    expect(await report('filed-1')).toMatchObject({ ...before, total: 4, source: 'database', examples: expect.anything() });
    expect(await report('unknown-2')).toMatchObject({ source: 'database', overall: { n: 1 } });
    expect(await report('inside-3')).toMatchObject({ source: 'database', overall: { n: 1 } });
    const kept = await query<{ result: { old_logs: unknown } }>(api.em, `select result from task_flames where task_id = 'inside-3'`);
    expect(kept[0]?.result.old_logs).toHaveLength(2);
    expect(await countOf(api.em, 'task_flames where repair_at is not null')).toBe(0);
  });

  test('whose file is broken are not imported, and say why', async () => {
    await oldFile('broken-4', 'Safety.json', '{"logs": [');
    await api.as(api.operator).post('/flames/import');
    await keeper.tick();
    const { body } = await get('/flames/runs/broken-4', api.operator);
    expect(body).toMatchObject({ logs: 'database', repair_error: 'old log file "Safety.json": expected JSON, or JSON in each line' });
    const one = await api.as(api.operator).post('/flames/runs/broken-4/import');
    expect([one.status, one.body.detail]).toEqual([422, 'old log file "Safety.json": expected JSON, or JSON in each line']);
    await query(api.em, `delete from task_flames where task_id = 'broken-4'`);
  });

  test('belong to nobody but operators', async () => {
    await query(api.em, `insert into task_flames (task_id, status) values ('nobodys', 'completed')`);
    expect((await get('/flames/runs/nobodys')).status).toBe(404);
    expect((await get('/flames/runs/nobodys', api.operator)).status).toBe(200);
  });
});

test('statistics say how large the table is, and who filled it', async () => {
  const task_id = await evaluate(40, { scorer: RULES });
  await query(api.em, 'analyze task_flames_logs');
  const { body } = await get('/flames/statistics?largest=200', api.operator);
  expect(body.logs_table.rows).toBe(await countOf(api.em, 'task_flames_logs'));
  expect(body.logs_table.total_bytes).toBeGreaterThan(0);
  expect(body.largest.find((run: { task_id: string }) => run.task_id === task_id)).toMatchObject({ log_count: 40, status: 'completed' });
  expect(body.largest.map((run: { log_count: number }) => run.log_count)).toEqual(
    body.largest.map((run: { log_count: number }) => run.log_count).sort((a: number, b: number) => b - a),
  );
});

test('metrics show evaluations that have not ended, and the size of the table', async () => {
  const { text } = await supertest(api.app).get('/metrics');
  expect(text).toMatch(/^orchestrator_flames_runs\{status="running"\} \d+$/m);
  expect(text).toMatch(/^orchestrator_flames_log_bytes [1-9]\d+$/m);
  expect(text).toMatch(/^orchestrator_flames_waiting_for_repair \d+$/m);
});

test('lists go by filter, page by page', async () => {
  const first = await get('/flames/runs?limit=2&status=completed,partial');
  expect(first.body.items).toHaveLength(2);
  const second = await get(`/flames/runs?limit=2&status=completed,partial&cursor=${first.body.next_cursor}`);
  const ids = [...first.body.items, ...second.body.items].map((run: { task_id: string }) => run.task_id);
  expect(new Set(ids).size).toBe(4);
  expect((await get('/flames/runs?logs=removed')).body.items.every((run: { logs: string }) => run.logs === 'removed')).toBe(true);
  expect((await get('/flames/runs', api.stranger)).body.items).toEqual([]);
  expect((await get('/flames/runs?user=admin')).status).toBe(403);
});
