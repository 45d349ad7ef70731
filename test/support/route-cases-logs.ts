import { ingestLines } from '../../commands/ingest-log.ts';
import { openLogSource } from '../../commands/open-log-source.ts';
import { LineReader } from '../../core/logs/line-reader.ts';
import type { Em } from '../../entities/sql.ts';
import { query } from '../../entities/sql.ts';
import type { TestApi } from './api.ts';
import type { RouteCase } from './route-cases.ts';

let made = 0;
const next = (): number => {
  made += 1;
  return made;
};

/** A source of two segments that belongs to the caller `user`. @returns its id */
export async function ownLog({ em, user }: TestApi): Promise<number> {
  made += 1;
  const fork = () => em.fork() as Em;
  const source = await openLogSource(fork(), {
    container_id: `c${made}`,
    container_name: `n${made}`,
    docker_id: null,
    kind: 'text',
    identity: 'sha256/x',
    runid: null,
    user_id: user.id,
    requested_by: 'test',
  });
  const reader = new LineReader('plain');
  async function* lines() {
    yield [...reader.push(Buffer.from('2026-01-01 00:00:00 ERROR a.b.C: x 1\nhello\n')), ...reader.flush()];
  }
  await ingestLines(fork, source, lines());
  return source.id;
}

async function ownContainer(api: TestApi): Promise<string> {
  await ownLog(api);
  return `c${made}`;
}

async function ownSegment(api: TestApi): Promise<number> {
  const source = await ownLog(api);
  const rows = await query<{ id: number }>(api.em, 'select min(id)::int4 as id from container_log_segment where source_id = $1', [source]);
  return rows[0]?.id ?? 0;
}

async function archive(api: TestApi): Promise<number> {
  made += 1;
  const { key, size, sha256 } = await api.artifacts.put(`test/archive-${process.pid}-${made}.ndjson.gz`, 'x');
  const sql = `insert into log_archive (table_name, period, from_at, until_at, rows, bytes, sha256, key)
    values ('container_log_segment', '2026-01', '2026-01-01', '2026-02-01', 1, $1, $2, $3) returning id::int4 as id`;
  return (await query<{ id: number }>(api.em, sql, [size, sha256, key]))[0]?.id ?? 0;
}

type Cases = Record<string, (api: TestApi) => Promise<RouteCase>>;
const own = { owner: true } as const;

export const LOG_ROUTE_CASES: Cases = {
  listSegments: async () => ({ path: '/container-logs/segments' }),
  listContainerSegments: async (api) => ({ path: `/container-logs/segments/container/${await ownContainer(api)}`, ...own }),
  listTypeSegments: async () => ({ path: '/container-logs/segments/type/error' }),
  getSegment: async (api) => ({ path: `/container-logs/segments/${await ownSegment(api)}`, ...own }),
  deleteSegment: async (api) => ({ path: `/container-logs/segments/${await ownSegment(api)}`, ...own }),
  deleteSegments: async () => ({ path: '/container-logs/segments?container_id=nothing&before=2020-01-01T00:00:00Z' }),
  saveSegments: async () => ({
    path: '/container-logs/segments/batch',
    body: {
      segments: [
        {
          container_id: 'c',
          container_name: 'n',
          content: 'x',
          line_number: next(),
          line_count: 1,
          segment_type: 'error',
          severity_level: 'error',
          component: 'a',
          timestamp: '2026-01-01T00:00:00Z',
          stream: 'stdout',
        },
      ],
    },
  }),
  analyzeLog: async () => ({
    path: '/container-logs/analyze',
    body: { text: `ERROR ${next()}`, container_id: 'c', container_name: 'n', transport: 'auto' },
  }),
  uploadLog: async () => ({ path: '/container-logs/upload?container_id=c', raw: { type: 'text/plain', text: 'ERROR x\n' } }),
  listLogSources: async () => ({ path: '/container-logs/sources' }),
  getLogSource: async (api) => ({ path: `/container-logs/sources/${await ownLog(api)}`, ...own }),
  getLogStats: async () => ({ path: '/container-logs/stats' }),
  getLogTrend: async () => ({ path: '/container-logs/trend' }),
  listLogTemplates: async () => ({ path: '/container-logs/templates' }),
  exportSegments: async () => ({ path: '/container-logs/export' }),
  listLogArchives: async () => ({ path: '/container-logs/archives' }),
  downloadLogArchive: async (api) => ({ path: `/container-logs/archives/${await archive(api)}/file` }),
};
