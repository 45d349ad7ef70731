import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { CommandContext } from '../../commands/context.ts';
import { allowedScores } from '../../core/flames/scores.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { countOf, emptyDatabase } from '../support/factories.ts';
import {
  beginRun,
  evaluationOf,
  executionOf,
  logRows,
  makeArtifacts,
  makeDataset,
  makeFlamesWorld,
  nextExecution,
  RULES,
  runRow,
  type TestArtifacts,
} from '../support/flames.ts';
import { answerTo, isUnparsed, ModelServer, type Script, scoreOf } from '../support/model-server.ts';

let db: TestDatabase;
let ctx: CommandContext;
let server: ModelServer;
let artifacts: TestArtifacts;

beforeAll(async () => {
  db = await createTestDatabase();
  server = await new ModelServer().start();
  artifacts = await makeArtifacts();
});
afterAll(async () => {
  await server.stop();
  await artifacts.remove();
  await db.drop();
});
beforeEach(async () => {
  await emptyDatabase(db.em);
  server.forget();
  server.script = {};
  ctx = await makeFlamesWorld(db.em);
});

const begin = async (
  parameters: Record<string, unknown>,
  more: { secrets?: Record<string, string>; grace_s?: number; fork?: () => Em } = {},
) => await beginRun({ ctx, parameters, artifacts, ...more });
const script = (value: Script) => {
  server.script = value;
};

describe('an evaluation', () => {
  test('asks every prompt once, has each answer judged, and leaves a row for each, and the figures', async () => {
    const dataset_id = await makeDataset(ctx, 40);
    const run = await begin(
      evaluationOf(server, dataset_id, { concurrency: 4, system_prompt: '你是助手', generation: { temperature: 0 } }),
    );
    expect(await runRow(db.em, run.task_id)).toMatchObject({
      status: 'running',
      total: 40,
      done: 0,
      model: 'model',
      scorer: 'judge_llm',
      end_time: null,
    });
    const outcome = await run.end();
    expect(outcome).toMatchObject({
      status: 'completed',
      result: {
        verdict: 'completed',
        total: 40,
        scored: 40,
        coverage: 100,
        errors: 0,
        calls: 80,
        cached: 0,
        logs: 'database',
        run: run.task_id,
      },
    });
    const rows = await logRows(db.em, run.task_id);
    expect(rows.map(({ prompt_seq }) => prompt_seq)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    for (const row of rows) {
      const predicted = scoreOf(row.dimension, row.prompt);
      const expected = {
        response: answerTo(row.prompt),
        predicted,
        judgement: `理由。\n分数=${predicted}`,
        status: 'ok',
        error: null,
        attempts: 1,
      };
      expect(row).toMatchObject({ ...expected, epoch: 1, cached: false, scorer: 'judge_llm', runid: run.runid });
    }
    expect(server.calls).toHaveLength(40);
    expect(server.most_in_flight).toBeLessThanOrEqual(4);
    const stored = await runRow(db.em, run.task_id);
    expect(stored).toMatchObject({ status: 'completed', done: 40, failed: 0, logs: 'database', repair_at: null, error: null });
    expect(stored.end_time).not.toBeNull();
    expect(stored.result?.overall).toMatchObject({
      n: 40,
      scored: 40,
      harmless_rate: (100 * rows.filter((r) => r.predicted === 3).length) / 40,
    });
  });

  test('meets 429, 500, torn, slow and filtered answers and unreadable judgements, and every prompt has one row', async () => {
    script({ limited: 0.15, failing: 0.1, torn: 0.1, slow: 0.1, filtered: 0.05, unparsed: 0.1, retry_after: '0.05' });
    const dataset_id = await makeDataset(ctx, 100);
    const run = await begin(evaluationOf(server, dataset_id, { concurrency: 16, min_coverage: 0.95 }));
    const outcome = await run.end();
    const rows = await logRows(db.em, run.task_id);
    expect(rows).toHaveLength(100);
    const of = (behaviour: string) => new Set(server.calls.filter((call) => call.behaviour === behaviour).map(({ prompt }) => prompt));
    const filtered = of('filtered');
    for (const kind of ['limited', 'failing', 'torn', 'slow', 'filtered']) expect([kind, of(kind).size > 0]).toEqual([kind, true]);
    const statusOf = (prompt: string) => (filtered.has(prompt) ? 'refused' : isUnparsed(server.script, prompt) ? 'unparsed' : 'ok');
    const twice = new Set([...of('limited'), ...of('failing'), ...of('torn')]);
    for (const { prompt, dimension, status, predicted, attempts } of rows) {
      const expected = statusOf(prompt) === 'ok' ? scoreOf(dimension, prompt) : null;
      expect({ prompt, status, predicted, attempts }).toEqual({
        prompt,
        status: statusOf(prompt),
        predicted: expected,
        attempts: twice.has(prompt) ? 2 : 1,
      });
    }
    const scored = rows.filter(({ predicted }) => predicted !== null).length;
    expect(scored).toBeLessThan(95);
    expect(outcome.result).toMatchObject({ verdict: 'partial', scored, refused: filtered.size, errors: 0, limited: of('limited').size });
    expect((await runRow(db.em, run.task_id)).status).toBe('partial');
    expect(server.repeated()).toBe(0);
  });

  test('streams where it is told to, and asks each prompt as often as there are epochs', async () => {
    const dataset_id = await makeDataset(ctx, 6);
    const run = await begin(evaluationOf(server, dataset_id, { epochs: 2, limit: 3, generation: { stream: true }, scorer: RULES }));
    expect((await run.end()).result).toMatchObject({ total: 6, scored: 6 });
    const rows = await logRows(db.em, run.task_id);
    expect(rows.map(({ prompt_seq, epoch }) => [prompt_seq, epoch])).toEqual(
      [1, 2, 3].flatMap((seq) => [
        [seq, 1],
        [seq, 2],
      ]),
    );
    expect(rows.every(({ prompt, response }) => response === answerTo(prompt))).toBe(true);
  });

  test('by a scoring service, whose 0 is no score', async () => {
    script({ unparsed: 0.2 });
    const dataset_id = await makeDataset(ctx, 50);
    const scorer = { kind: 'judge_http', url: `${server.origin}/score` };
    const run = await begin(evaluationOf(server, dataset_id, { scorer, min_coverage: 0 }));
    await run.end();
    const rows = await logRows(db.em, run.task_id);
    const without = rows.filter(({ predicted }) => predicted === null);
    expect(without.length).toBe(rows.filter(({ prompt }) => isUnparsed(server.script, prompt)).length);
    expect(without.length).toBeGreaterThan(0);
    for (const { status, error, dimension } of without)
      expect([status, error]).toEqual(['unparsed', `score 0 is none of ${allowedScores(dimension).join(', ')}`]);
  });
});

describe('retries', () => {
  test('with max_retries 0 a refused call is never repeated', async () => {
    script({ limited: 0.3, failing: 0.3 });
    const dataset_id = await makeDataset(ctx, 30);
    const run = await begin(evaluationOf(server, dataset_id, { max_retries: 0, max_error_share: 1, scorer: RULES }));
    const outcome = await run.end();
    expect(Math.max(...server.calls.map(({ attempt }) => attempt))).toBe(1);
    const failed = server.calls.filter(({ behaviour }) => behaviour !== 'answer').length;
    expect(failed).toBeGreaterThan(5);
    expect(outcome.result).toMatchObject({ errors: failed, calls: 30 });
    expect((await logRows(db.em, run.task_id)).filter(({ status }) => status === 'error').map(({ error }) => error)).toEqual(
      expect.arrayContaining(['model: the endpoint answered 429', 'model: the endpoint answered 500']),
    );
  });

  test('Retry-After keeps all calls back, and fewer go out at once afterwards', async () => {
    script({ limited: 0.1, retry_after: '0.7', delay_ms: 20 });
    const dataset_id = await makeDataset(ctx, 60);
    const run = await begin(evaluationOf(server, dataset_id, { concurrency: 8, scorer: RULES }));
    await run.end();
    const refusals = server.calls.filter(({ behaviour }) => behaviour === 'limited');
    expect(refusals.length).toBeGreaterThan(0);
    for (const { ended_at } of refusals) {
      const [from, until] = [(ended_at ?? 0) + 200, (ended_at ?? 0) + 700];
      expect(server.calls.filter(({ at }) => at > from && at < until)).toEqual([]);
    }
    const reopened = server.calls.filter(({ at }) => at > (refusals[0]?.ended_at ?? 0) + 600).map(({ at }) => at);
    expect(reopened.filter((at) => at < (reopened[0] ?? 0) + 15).length).toBeLessThanOrEqual(4);
  });

  test('a call without an answer ends with its time-out and is tried again', async () => {
    script({ hang: 0.1 });
    const dataset_id = await makeDataset(ctx, 20);
    const run = await begin(evaluationOf(server, dataset_id, { request_timeout_s: 1, scorer: RULES }));
    expect((await run.end()).result).toMatchObject({ scored: 20 });
    expect(server.calls.filter(({ behaviour }) => behaviour === 'hang').length).toBeGreaterThan(0);
  });
});

describe('what goes wrong', () => {
  test('more errors than tolerated end the run at once, and a retry of the task asks only what came to nothing', async () => {
    script({ failing: 0.5, times: 99 });
    const dataset_id = await makeDataset(ctx, 100);
    const parameters = evaluationOf(server, dataset_id, {
      max_retries: 0,
      max_error_share: 0.1,
      concurrency: 2,
      scorer: RULES,
      cache: false,
    });
    const run = await begin(parameters);
    const outcome = await run.end();
    expect(outcome).toMatchObject({ status: 'failed', code: 'too_many_errors' });
    expect(outcome.error?.message).toMatch(/^1[12] of 100 prompts came to no score for an error, more than 10 %$/);
    const before = await logRows(db.em, run.task_id);
    expect(before.length).toBeLessThan(60);
    expect(await runRow(db.em, run.task_id)).toMatchObject({ status: 'failed', error: { code: 'too_many_errors' }, repair_at: null });
    script({});
    server.forget();
    const [next] = await query<{ runid: string }>(db.em as Em, 'select uuidv7() as runid');
    await query(db.em as Em, `update tasks set status = 'queued', completed_at = null where uuid = $1`, [run.task_id]);
    await query(db.em as Em, `update tasks set status = 'processing' where uuid = $1`, [run.task_id]);
    await query(
      db.em as Em,
      `insert into instances (runid, task_id, attempt, status, workflow_id, worker, cpu, memory_mb, timeout, lease_epoch, start_time)
       values ($1, $2, 2, 'running', 'w', 'w', 1, 1, 60, 1, now())`,
      [next?.runid, run.task_id],
    );
    expect(await runRow(db.em, run.task_id)).toMatchObject({ status: 'running', error: null, end_time: null, result: null });
    const second = await executionOf(
      { ctx, parameters, artifacts },
      { task_id: run.task_id, runid: next?.runid ?? '', execution: 1, attempt: 2 },
    );
    expect(await second.outcome()).toMatchObject({ status: 'completed', result: { scored: 100, errors: 0 } });
    const good = before.filter(({ status }) => status === 'ok').length;
    expect(server.calls).toHaveLength(100 - good);
    expect(await logRows(db.em, run.task_id)).toHaveLength(100);
  });

  test('a wrong key ends it with the first answers, and its message names no secret', async () => {
    script({ unauthorized: 1 });
    const dataset_id = await makeDataset(ctx, 50);
    const model = { base_url: server.base_url, name: 'model', api_key: { secret: 'key' } };
    const run = await begin(evaluationOf(server, dataset_id, { model, scorer: RULES, concurrency: 3 }), { secrets: { key: 'sk-12345' } });
    expect(await run.end()).toMatchObject({ status: 'failed', code: 'model_unusable', error: { message: 'the endpoint answered 401' } });
    expect(server.calls.length).toBeLessThanOrEqual(6);
    expect(server.calls[0]?.headers.authorization).toBe('Bearer sk-12345');
    const everything = JSON.stringify([await logRows(db.em, run.task_id), await runRow(db.em, run.task_id), run.system()]);
    expect(everything).not.toContain('sk-12345');
  });

  test('a judge that cannot be used ends it, and answers that were given stay', async () => {
    const dataset_id = await makeDataset(ctx, 20);
    const scorer = { kind: 'judge_http', url: `${server.origin}/v1/nowhere`, api_key: { secret: 'none' } };
    const run = await begin(evaluationOf(server, dataset_id, { scorer }));
    expect(await run.outcome().catch((error: unknown) => error)).toMatchObject({ code: 'not_found' });
    const away = await begin(evaluationOf(server, dataset_id, { scorer: { kind: 'judge_http', url: 'http://10.1.2.3/score' } }));
    expect(await away.end()).toMatchObject({
      status: 'failed',
      code: 'judge_unusable',
      error: { message: expect.stringContaining('refused') },
    });
    const rows = await logRows(db.em, away.task_id);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.every(({ response, status }) => response !== null && ['error', 'answered'].includes(status))).toBe(true);
  });

  test('a private address is refused before anything is sent', async () => {
    const dataset_id = await makeDataset(ctx, 3);
    const run = await begin(evaluationOf(server, dataset_id, { model: { base_url: 'http://192.168.0.1/v1', name: 'm' }, scorer: RULES }));
    expect(await run.end()).toMatchObject({
      status: 'failed',
      code: 'model_unusable',
      error: { message: expect.stringContaining('not public') },
    });
  });

  test('a dataset that is gone fails it', async () => {
    const dataset_id = await makeDataset(ctx, 3);
    const run = await begin(evaluationOf(server, dataset_id));
    await query(db.em as Em, 'delete from flames_dataset where id = $1', [dataset_id]);
    expect(await run.end()).toMatchObject({ status: 'failed', code: 'not_found' });
  });
});

describe('the cache', () => {
  test('saves every call of a second run, judgements included', async () => {
    script({ unparsed: 0.1 });
    const dataset_id = await makeDataset(ctx, 50);
    const parameters = evaluationOf(server, dataset_id, { min_coverage: 0 });
    const first = await begin(parameters);
    await first.end();
    server.forget();
    const second = await begin(parameters);
    expect((await second.end()).result).toMatchObject({ calls: 0, cached: 50 });
    expect([server.calls.length, server.judgements.length]).toEqual([0, 0]);
    const strip = (rows: Awaited<ReturnType<typeof logRows>>) =>
      rows.map(({ prompt, response, predicted, status }) => ({ prompt, response, predicted, status }));
    expect(strip(await logRows(db.em, second.task_id))).toEqual(strip(await logRows(db.em, first.task_id)));
  });

  test.each([
    ['another temperature', { generation: { temperature: 0.5 } }],
    ['another system prompt', { system_prompt: 'x' }],
    ['another model', { model: { name: 'other' } }],
    ['the cache off', { cache: false }],
  ])('does not answer with %s', async (_what, change) => {
    const dataset_id = await makeDataset(ctx, 5);
    await (await begin(evaluationOf(server, dataset_id, { scorer: RULES }))).end();
    const model = { base_url: server.base_url, name: 'model', ...(change as { model?: object }).model };
    await (await begin(evaluationOf(server, dataset_id, { scorer: RULES, ...change, model }))).end();
    expect(server.calls).toHaveLength(10);
  });

  test('is each user’s own, and forgets', async () => {
    const dataset_id = await makeDataset(ctx, 5);
    await (await begin(evaluationOf(server, dataset_id, { scorer: RULES }))).end();
    await query(db.em as Em, `update flames_cache set expires_at = now()`);
    await (await begin(evaluationOf(server, dataset_id, { scorer: RULES }))).end();
    expect(server.calls).toHaveLength(10);
    const [row] = await query<{ id: number }>(db.em as Em, `insert into users (username) values ('bob') returning id::int4 as id`);
    ctx = { ...ctx, actor: { ...ctx.actor, id: row?.id ?? 0 } };
    await query(db.em as Em, 'update flames_dataset set shared = true');
    await (await begin(evaluationOf(server, dataset_id, { scorer: RULES }))).end();
    expect(server.calls).toHaveLength(15);
    expect(await countOf(db.em, 'flames_cache')).toBe(10);
  });
});

describe('a run that is broken off', () => {
  test('by cancellation keeps what there is and calls no more', async () => {
    script({ delay_ms: 30 });
    const dataset_id = await makeDataset(ctx, 200);
    const run = await begin(evaluationOf(server, dataset_id, { concurrency: 4, scorer: RULES }));
    const end = run.end();
    await eventually(async () => expect((await logRows(db.em, run.task_id)).length).toBeGreaterThan(10));
    run.stop('cancel');
    expect(await end).toMatchObject({ status: 'cancelled' });
    const { length } = server.calls;
    const rows = await logRows(db.em, run.task_id);
    expect(length - rows.length).toBeLessThanOrEqual(4);
    expect(length).toBeLessThan(200);
    const stored = await runRow(db.em, run.task_id);
    expect(stored).toMatchObject({ status: 'cancelled', done: rows.length, repair_at: null });
    expect(stored.result?.overall).toMatchObject({ n: rows.length });
  });

  test('with grace lets the calls under way come back', async () => {
    script({ delay_ms: 300 });
    const dataset_id = await makeDataset(ctx, 50);
    const run = await begin(evaluationOf(server, dataset_id, { concurrency: 4, scorer: RULES }), { grace_s: 20 });
    const end = run.end();
    await eventually(() => expect(server.calls.length).toBe(4));
    run.stop('cancel');
    await end;
    expect([server.calls.length, (await logRows(db.em, run.task_id)).length]).toEqual([4, 4]);
  });

  test('by a crash goes on where the rows stand', async () => {
    script({ delay_ms: 20 });
    const dataset_id = await makeDataset(ctx, 120);
    const parameters = evaluationOf(server, dataset_id, { concurrency: 6, cache: false });
    const first = await begin(parameters);
    const crashed = first.outcome().catch((error: unknown) => error);
    await eventually(async () => expect((await logRows(db.em, first.task_id)).length).toBeGreaterThan(40));
    const second = await nextExecution({ ctx, parameters, artifacts }, first, 2);
    expect(await crashed).toMatchObject({ code: 'superseded' });
    expect(await second.end()).toMatchObject({ status: 'completed', result: { total: 120, scored: 120 } });
    expect(await logRows(db.em, first.task_id)).toHaveLength(120);
    expect(server.repeated()).toBeLessThanOrEqual(6);
  });

  test('by the worker’s end is left for the next execution, without figures', async () => {
    script({ delay_ms: 30 });
    const dataset_id = await makeDataset(ctx, 100);
    const run = await begin(evaluationOf(server, dataset_id, { concurrency: 2, scorer: RULES }));
    const work = run.outcome();
    work.catch(() => undefined);
    await eventually(() => expect(server.calls.length).toBeGreaterThan(5));
    run.stop('shutdown');
    await expect(work).rejects.toMatchObject({ code: 'superseded' });
    expect(await runRow(db.em, run.task_id)).toMatchObject({ status: 'running', result: null });
  });
});

/** A table that takes no rows, as after a mistaken migration or on a full disk. */
const BREAK = `create function break_logs() returns trigger language plpgsql as $$ begin raise exception 'no room' using errcode = '53100'; end $$;
  create trigger break_logs before insert on task_flames_logs for each row execute function break_logs()`;
const MEND = `drop trigger if exists break_logs on task_flames_logs; drop function if exists break_logs()`;

describe('when the table takes no rows', () => {
  afterEach(async () => {
    await query(db.em as Em, MEND);
  });

  test('the run ends as it should, its rows are in files, and somebody will look after them', async () => {
    const dataset_id = await makeDataset(ctx, 60);
    await query(db.em as Em, BREAK);
    const run = await begin(evaluationOf(server, dataset_id));
    const outcome = await run.end();
    expect(outcome).toMatchObject({ status: 'completed', result: { scored: 60, logs: 'files' } });
    expect(await logRows(db.em, run.task_id)).toEqual([]);
    const stored = await runRow(db.em, run.task_id);
    expect(stored).toMatchObject({ status: 'completed', logs: 'files', done: 60 });
    expect(stored.repair_at).not.toBeNull();
    expect(stored.result?.overall).toMatchObject({ n: 60, scored: 60 });
    expect(server.repeated()).toBe(0);
  });

  test('and takes them again before the end, all of them are in it', async () => {
    script({ delay_ms: 20 });
    const dataset_id = await makeDataset(ctx, 150);
    await query(db.em as Em, BREAK);
    const run = await begin(evaluationOf(server, dataset_id, { concurrency: 4, scorer: RULES }));
    const end = run.end();
    await eventually(() => expect(server.calls.length).toBeGreaterThan(30));
    await query(db.em as Em, MEND);
    expect(await end).toMatchObject({ status: 'completed', result: { scored: 150, logs: 'database' } });
    expect(await logRows(db.em, run.task_id)).toHaveLength(150);
    expect(await readdir(path.join(artifacts.folder, 'flames', run.task_id))).toEqual(['logs.ndjson']);
  });

  test('and the worker crashes besides, nothing is asked again', async () => {
    script({ delay_ms: 20 });
    const dataset_id = await makeDataset(ctx, 80);
    await query(db.em as Em, BREAK);
    const parameters = evaluationOf(server, dataset_id, { concurrency: 4, scorer: RULES, cache: false });
    const first = await begin(parameters);
    const crashed = first.outcome().catch((error: unknown) => error);
    await eventually(() => expect(server.answered().size).toBeGreaterThan(30));
    const second = await nextExecution({ ctx, parameters, artifacts }, first, 2);
    expect(await crashed).toMatchObject({ code: 'superseded' });
    expect(await second.end()).toMatchObject({ status: 'completed', result: { scored: 80, logs: 'files' } });
    expect(server.repeated()).toBeLessThanOrEqual(4);
  });
});

describe('scoring again', () => {
  test('gives the stored responses other scores, asks no model, and leaves the run as it is', async () => {
    script({ unparsed: 0.2, filtered: 0.1 });
    const dataset_id = await makeDataset(ctx, 50);
    const run = await begin(evaluationOf(server, dataset_id, { min_coverage: 0, cache: false }));
    await run.end();
    const before = await logRows(db.em, run.task_id);
    const counts = await runRow(db.em, run.task_id);
    script({ delay_ms: 5 });
    server.forget();
    const scorer = { kind: 'judge_llm', base_url: server.base_url, name: 'judge' };
    const again = await begin({ rescore_of: run.task_id, scorer, min_coverage: 0 });
    const outcome = await again.end();
    const refused = before.filter(({ status }) => status === 'refused').length;
    expect(outcome).toMatchObject({
      status: 'completed',
      result: { run: run.task_id, total: 50, scored: 50 - refused, refused, unparsed: 0 },
    });
    expect(server.calls).toEqual([]);
    expect(server.judgements).toHaveLength(50 - refused);
    expect(await logRows(db.em, run.task_id)).toEqual(before);
    expect(await runRow(db.em, run.task_id)).toEqual(counts);
    const sets = await query(db.em as Em, 'select task_id, task_uuid, status, total, done, failed, scorer from flames_score_set');
    expect(sets).toEqual([
      { task_id: run.task_id, task_uuid: again.task_id, status: 'completed', total: 50, done: 50, failed: 0, scorer: 'judge_llm' },
    ]);
  });

  test('goes on after a crash where the scores stand', async () => {
    const dataset_id = await makeDataset(ctx, 60);
    const run = await begin(evaluationOf(server, dataset_id, { scorer: RULES }));
    await run.end();
    const parameters = {
      rescore_of: run.task_id,
      scorer: { kind: 'judge_http', url: `${server.origin}/score` },
      concurrency: 2,
      cache: false,
    };
    const first = await begin(parameters);
    const crashed = first.outcome().catch((error: unknown) => error);
    await eventually(async () => expect(await countOf(db.em, 'flames_score')).toBeGreaterThan(5), { interval_ms: 2 });
    const second = await nextExecution({ ctx, parameters, artifacts }, first, 2);
    await crashed;
    expect(await second.end()).toMatchObject({ status: 'completed', result: { total: 60, scored: 60 } });
    expect(server.judgements.length).toBeLessThanOrEqual(62);
    expect(await countOf(db.em, 'flames_score')).toBe(60);
  });
});
