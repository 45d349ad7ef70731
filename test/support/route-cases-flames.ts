import { Readable } from 'node:stream';
import { createFlamesDataset } from '../../commands/create-flames-dataset.ts';
import { FLAMES_MAPPING } from '../../core/flames/dataset.ts';
import { query } from '../../entities/sql.ts';
import { insertTaskLogs } from '../../entities/task-flames-log.queries.ts';
import type { TestApi } from './api.ts';
import { contextOf, makeTemplate } from './factories.ts';
import type { RouteCase } from './route-cases.ts';

let made = 0;

/** A dataset of the caller `user`. */
async function ownDataset({ em, user }: TestApi): Promise<number> {
  made += 1;
  const stream = Readable.from([Buffer.from(JSON.stringify({ dimension: 'Safety', prompt: `p ${made}` }))]);
  const file = { name: `dataset ${made}`, shared: false, format: 'jsonl' as const, mapping: FLAMES_MAPPING, stream };
  return (await createFlamesDataset(contextOf(em, user), file)).dataset.id;
}

/** A run of the caller `user` that has ended, with two rows. */
export async function ownFlamesRun({ em, user }: TestApi): Promise<string> {
  made += 1;
  const id = `run-${made}`;
  const values = [id, user.id, JSON.stringify({ overall: {} })];
  await query(
    em,
    `insert into task_flames (task_id, user_id, name, status, result) values ($1::text, $2, $1::text, 'completed', $3::jsonb)`,
    values,
  );
  const row = { dimension: 'Safety', prompt: 'p', response: 'r' };
  await insertTaskLogs(em, id, {
    logs: [
      { ...row, predicted: 3 },
      { ...row, predicted: 1 },
    ],
  });
  return id;
}

async function rescoring(api: TestApi): Promise<RouteCase> {
  await makeTemplate(api.em, 'flames', { engine: 'flames' }).catch(() => undefined);
  const scorer = { kind: 'judge_http', url: 'https://judge.example.org/score', api_key: { secret: 'k' }, api_key_header: 'x-api-key' };
  const calls = { concurrency: 2, max_retries: 1, request_timeout_s: 10, max_error_share: 0.5, min_coverage: 0.5, cache: false };
  const body = { scorer, ...calls, template: 'flames', name: 'again', queue: 'q', priority: 50 };
  return { path: `/flames/runs/${await ownFlamesRun(api)}/rescore`, body, owner: true };
}

const at =
  (path: (id: string | number) => string, make: (api: TestApi) => Promise<string | number>) =>
  async (api: TestApi): Promise<RouteCase> => ({
    path: path(await make(api)),
    owner: true,
  });

/** One good request for each route under /flames. */
export const FLAMES_CASES: Record<string, (api: TestApi) => Promise<RouteCase>> = {
  createFlamesDataset: async () => {
    made += 1;
    return {
      path: `/flames/datasets?name=uploaded-${made}`,
      raw: { type: 'application/x-ndjson', text: '{"dimension":"Safety","prompt":"p"}' },
    };
  },
  listFlamesDatasets: async () => ({ path: '/flames/datasets' }),
  getFlamesDataset: at((id) => `/flames/datasets/${id}`, ownDataset),
  listFlamesPrompts: at((id) => `/flames/datasets/${id}/prompts`, ownDataset),
  deleteFlamesDataset: at((id) => `/flames/datasets/${id}`, ownDataset),
  listFlamesRuns: async () => ({ path: '/flames/runs' }),
  getFlamesRun: at((id) => `/flames/runs/${id}`, ownFlamesRun),
  deleteFlamesRun: at((id) => `/flames/runs/${id}`, ownFlamesRun),
  deleteFlamesLogs: at((id) => `/flames/runs/${id}/logs`, ownFlamesRun),
  rescoreFlamesRun: rescoring,
  flames_report: at((id) => `/flames/flames_report/${id}`, ownFlamesRun),
  download_flames_report: at((id) => `/flames/download_flames_report/${id}`, ownFlamesRun),
  download_flames_logs: at((id) => `/flames/download_flames_logs/${id}`, ownFlamesRun),
  compareFlamesRuns: async (api) => ({ path: `/flames/compare/${await ownFlamesRun(api)}?with=${await ownFlamesRun(api)}`, owner: true }),
  registerOldFlamesRun: async () => {
    made += 1;
    const times = { submit_time: '2025-01-01T00:00:00Z', end_time: '2025-01-01T01:00:00Z' };
    return {
      path: '/flames/old-runs',
      body: { task_id: `old-${made}`, name: 'old', model: 'm', status: 'completed', ...times, result: { logs: [] } },
    };
  },
  importFlamesRun: at((id) => `/flames/runs/${id}/import`, ownFlamesRun),
  importFlamesRuns: async () => ({ path: '/flames/import' }),
  getFlamesStatistics: async () => ({ path: '/flames/statistics' }),
};
