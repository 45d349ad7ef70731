import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { type Em, query, queryOnce } from '../entities/sql.ts';
import { type Archived, type ArchiveFile, writeArchive } from './archive-rows.ts';

/** Days for which log segments and operations on images are kept, and things that are gone remembered; 0: for ever. `archive`: write them to files before they go. */
export type ArchivePolicy = { segment_days: number; image_log_days: number; archive: boolean };
export type ArchiveOptions = {
  fork(): Em;
  policy: ArchivePolicy;
  artifacts: ArtifactStore;
  signal: AbortSignal;
  onRemoved(table: string, rows: number): Promise<void>;
};

const DAY_MS = 86_400_000;
const SEGMENTS = 'container_log_segment';
const before = (now: Date, days: number): string | null => (days === 0 ? null : new Date(now.getTime() - days * DAY_MS).toISOString());

const PARTITIONS = `
select c.relname as name, substr(c.relname, length('${SEGMENTS}_') + 1) as month from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = '${SEGMENTS}'::regclass and c.relname ~ '_[0-9]{6}$' order by 1`;

/** The end of a month written as YYYYMM. */
const endOf = (month: string): number => Date.UTC(Number(month.slice(0, 4)), Number(month.slice(4)), 1);

const DISCOUNT = (rows: string): string => `
with gone as (select container_id, date_trunc('hour', logged_at, 'UTC') as hour, severity_level, coalesce(component, '') as component, count(*) as n from ${rows} group by 1, 2, 3, 4)
update log_stats_hourly s set count = s.count - gone.n from gone
where (s.container_id, s.hour, s.severity_level, s.component) = (gone.container_id, gone.hour, gone.severity_level, gone.component)`;

async function remember(em: Em, name: string, { period, file }: { period: string; file: ArchiveFile }): Promise<void> {
  await query(
    em,
    `insert into log_archive (table_name, period, from_at, until_at, rows, bytes, sha256, key) values ($1, $2, $3::timestamptz, $4::timestamptz, $5, $6, $7, $8)`,
    [name, period, file.from_at, file.until_at, file.rows, file.size, file.sha256, file.key],
  );
}

/** Names files of one table and month apart; the same until one of them is remembered, so a broken run overwrites its own. */
async function periodOf(em: Em, name: string, period: string): Promise<string> {
  const [row] = await query<{ n: number }>(
    em,
    `select count(*)::int4 as n from log_archive where table_name = $1 and period like $2 || '%'`,
    [name, period],
  );
  return row?.n ? `${period}-${row.n + 1}` : period;
}

/** Everything that a run does for one table or partition: the file, then rows and its mention in one transaction. */
async function removeArchived(
  options: ArchiveOptions,
  what: Omit<Archived, 'period'> & { month: string },
  remove: (em: Em, file: ArchiveFile | null) => Promise<number>,
): Promise<void> {
  const { fork, policy, onRemoved } = options;
  const period = await periodOf(fork(), what.name, what.month);
  const file = policy.archive ? await writeArchive(options, { ...what, period }) : null;
  if (policy.archive && !file && what.name !== SEGMENTS) return;
  const removed = await fork().transactional(async (tx) => {
    await query(tx as Em, `set local orchestrator.retention = 'on'`);
    const n = await remove(tx as Em, file);
    if (file && n > 0) await remember(tx as Em, what.name, { period, file });
    return n;
  });
  if (removed > 0) await onRemoved(what.name, removed);
}

/** A month of segments as a whole. What came while the file was written makes it incomplete: then nothing is dropped, and the next run begins anew. */
async function dropMonth(options: ArchiveOptions, { name, month }: { name: string; month: string }): Promise<void> {
  const table = `partitions."${name}"`;
  await removeArchived(options, { name: SEGMENTS, table, where: 'true', values: [], month }, async (em, file) => {
    await query(em, `set local statement_timeout = '10min'`);
    await query(em, `lock table ${table} in access exclusive mode`);
    const [{ n } = { n: 0 }] = await queryOnce<{ n: number }>(em, `select count(*)::int8::float8 as n from ${table}`);
    if (options.policy.archive && n !== (file?.rows ?? 0)) return 0;
    await queryOnce(em, DISCOUNT(table));
    await query(em, `alter table ${SEGMENTS} detach partition ${table}`);
    await query(em, `drop table ${table}`);
    return n;
  });
}

/** What lies outside of the months: rows with times that no partition was made for. */
async function clearDefault(options: ArchiveOptions, cutoff: string): Promise<void> {
  const table = `partitions.${SEGMENTS}_default`;
  const old = 't.filed_at < $1::timestamptz';
  const [{ any } = { any: false }] = await query<{ any: boolean }>(
    options.fork(),
    `select exists (select from ${table} t where ${old}) as any`,
    [cutoff],
  );
  if (!any) return;
  await removeArchived(options, { name: SEGMENTS, table, where: old, values: [cutoff], month: 'others' }, async (em, file) => {
    await query(em, `set local statement_timeout = '10min'`);
    const rows = `(select * from ${table} t where t.filed_at < '${cutoff}'${file ? ` and t.id <= ${file.last_id}` : ''}) r`;
    await queryOnce(em, DISCOUNT(rows));
    const gone = await queryOnce(em, `delete from ${table} t where ${old} ${file ? `and t.id <= ${file.last_id}` : ''} returning 1`, [
      cutoff,
    ]);
    return gone.length;
  });
}

/** Removed long ago, or of an Engine that has not come back for as long. */
const UNSEEN = 'coalesce(t.removed_at, t.last_seen) < $1::timestamptz';

/** Tables whose old rows go one by one; each with its file. `created_at` stands in all of them. */
const ROWS: readonly { name: string; where: string; days: keyof Omit<ArchivePolicy, 'archive'> }[] = [
  { name: 'docker_image_log', where: `t.status <> 'started' and t.ended_at < $1::timestamptz`, days: 'image_log_days' },
  { name: 'docker_container', where: UNSEEN, days: 'segment_days' },
  { name: 'docker_image', where: UNSEEN, days: 'segment_days' },
];

async function removeRows(options: ArchiveOptions, { name, where }: (typeof ROWS)[number], cutoff: string): Promise<void> {
  const month = cutoff.slice(0, 10);
  await removeArchived(options, { name, table: name, where, values: [cutoff], month }, async (em, file) => {
    const upTo = file ? `and t.id <= ${file.last_id}` : '';
    return (await queryOnce(em, `delete from ${name} t where ${where} ${upTo} returning 1`, [cutoff])).length;
  });
}

/**
 * Sources without segments, templates without messages and figures that fell to zero say nothing any more; a source takes its templates along. A source that is being
 * read stays as long as an Engine has its container: where the reading stands is kept there. Whoever else reads, writes within that time.
 */
const EMPTY: readonly (readonly [table: string, sql: string])[] = [
  [
    'container_log_source',
    `delete from container_log_source s where s.updated_at < $1::timestamptz
       and not (s.status = 'reading' and exists (select from docker_container c where c.container_id = s.container_id and c.removed_at is null and c.last_seen >= $1::timestamptz))
       and not exists (select 1 from container_log_segment g where g.source_id = s.id) returning 1`,
  ],
  ['log_template', 'delete from log_template where last_seen < $1::timestamptz and updated_at < $1::timestamptz returning 1'],
  ['log_stats_hourly', `delete from log_stats_hourly where count = 0 and updated_at < $1::timestamptz returning 1`],
];

async function archiveSegments(options: ArchiveOptions, cutoff: string): Promise<void> {
  for (const partition of await query<{ name: string; month: string }>(options.fork(), PARTITIONS)) {
    options.signal.throwIfAborted();
    if (endOf(partition.month) <= Date.parse(cutoff)) await dropMonth(options, partition);
  }
  await clearDefault(options, cutoff);
}

async function removeEmpty({ fork, onRemoved }: ArchiveOptions, cutoff: string): Promise<void> {
  for (const [table, sql] of EMPTY) {
    const gone = await queryOnce(fork(), sql, [cutoff]);
    if (gone.length > 0) await onRemoved(table, gone.length);
  }
}

/**
 * Removes what is older than the policy says: months of segments as whole partitions, other tables row by row; each is written to a compressed file
 * with a checksum first. May be broken off anywhere: what has no file yet is still there.
 */
export async function archiveOldLogs(now: Date, options: ArchiveOptions): Promise<void> {
  const cutoff = before(now, options.policy.segment_days);
  if (cutoff) await archiveSegments(options, cutoff);
  for (const table of ROWS) {
    options.signal.throwIfAborted();
    const old = before(now, options.policy[table.days]);
    if (old) await removeRows(options, table, old);
  }
  if (cutoff) await removeEmpty(options, cutoff);
}

/** Uploads of operations that never came to use them. @returns how many files */
export async function removeOldUploads(artifacts: ArtifactStore, now: Date): Promise<number> {
  let removed = 0;
  for await (const { key, modified_at } of artifacts.list('images/')) {
    if (now.getTime() - modified_at.getTime() > 7 * DAY_MS && (await artifacts.remove(key))) removed += 1;
  }
  return removed;
}
