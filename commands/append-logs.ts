import { type Em, query } from '../entities/sql.ts';

export type LogStream = 'stdout' | 'stderr' | 'system';
export type LogLine = { seq: number; stream: LogStream; line: string };

/** Lines of one instance, numbered without gaps; `cut`: lines left out so far because of the size cap. */
export type LogBatch = { runid: string; lease_epoch: number; lines: readonly LogLine[]; cut: number };

/**
 * Stores lines in one statement, fenced by the lease. Sending the same batch again (after a lost answer) changes nothing.
 * @returns false when the caller no longer owns the instance: nothing was written
 */
export async function appendLogs(em: Em, { runid, lease_epoch, lines, cut }: LogBatch): Promise<boolean> {
  const rows = await query(em, APPEND, [
    runid,
    lease_epoch,
    lines.map((l) => l.seq),
    lines.map((l) => l.stream),
    lines.map((l) => l.line),
    lines.at(-1)?.seq ?? 0,
    cut,
  ]);
  return rows.length === 1;
}

const APPEND = `
with own as (
  update instances set log_lines = greatest(log_lines, $6), log_lines_cut = $7
  where runid = $1 and lease_epoch = $2 and status = 'running' returning runid),
written as (
  insert into instance_logs (runid, seq, stream, line)
  select own.runid, l.* from own, unnest($3::int4[], $4::text[], $5::text[]) as l(seq, stream, line)
  on conflict (runid, seq) do nothing)
select runid from own`;
