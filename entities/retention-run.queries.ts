import type { RetentionRun } from '../schemas/retention.ts';
import { conditions, type Page, type PageRequest, readPage } from './page.ts';
import { type Em, query } from './sql.ts';
import { wireNumber, wireTime } from './wire.ts';

const TIMES = ['scheduled_for', 'as_of', 'started_at', 'finished_at', 'created_at'].map((column) => wireTime(`r.${column}`)).join(', ');
const COLUMNS = `${wireNumber('r.id')}, false as dry_run, r.trigger, r.status, r.requested_by, r.removed, r.error, ${TIMES}`;

/** One run as the API shows it. */
export async function findRetentionRun(em: Em, id: number): Promise<RetentionRun | null> {
  return (await query<RetentionRun>(em, `select ${COLUMNS} from retention_runs r where r.id = $1`, [id]))[0] ?? null;
}

/** Runs, newest first. */
export async function listRetentionRuns(em: Em, page: PageRequest): Promise<Page<RetentionRun>> {
  const keys = [{ column: 'r.id', kind: 'integer' as const }];
  return await readPage(em, { columns: COLUMNS, from: 'retention_runs r', conditions: conditions(), sort: '-id', keys }, page);
}

/** The oldest run that is not over: asked for, or broken off by the end of its process. */
export async function nextRetentionRun(em: Em): Promise<number | null> {
  const rows = await query<{ id: number }>(
    em,
    `select id::float8 as id from retention_runs where status in ('requested', 'running') order by id limit 1`,
  );
  return rows[0]?.id ?? null;
}
