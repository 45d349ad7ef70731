import { type Em, query } from '../entities/sql.ts';

export type LogStream = 'stdout' | 'stderr' | 'system';
export type LogLine = { seq: number; stream: LogStream; line: string };

/** Lines of one instance, numbered without gaps; `cut`: lines left out so far because of the size cap. */
export type LogBatch = { runid: string; lease_epoch: number; lines: readonly LogLine[]; cut: number };

/** The lines of one instance; see `appendLogBatches`. @returns false when the caller no longer owns the instance: nothing was written */
export async function appendLogs(em: Em, batch: LogBatch): Promise<boolean> {
  return (await appendLogBatches(em, [batch]))[0] === true;
}

/**
 * Stores lines of some instances, each once in the list, in one statement, fenced by their leases. Sending the same batch again (after a lost answer) changes nothing.
 * @returns for each batch, false when the caller no longer owns the instance: nothing of it was written
 */
export async function appendLogBatches(em: Em, batches: readonly LogBatch[]): Promise<boolean[]> {
  const lines = batches.flatMap((batch) => batch.lines.map((line) => ({ ...line, runid: batch.runid })));
  const rows = await query<{ runid: string }>(em, APPEND, [
    batches.map((batch) => batch.runid),
    batches.map((batch) => batch.lease_epoch),
    batches.map((batch) => batch.lines.at(-1)?.seq ?? 0),
    batches.map((batch) => batch.cut),
    lines.map((line) => line.runid),
    lines.map((line) => line.seq),
    lines.map((line) => line.stream),
    lines.map((line) => line.line),
  ]);
  const own = new Set(rows.map(({ runid }) => runid));
  return batches.map(({ runid }) => own.has(runid));
}

const APPEND = `
with b as (select * from unnest($1::uuid[], $2::int4[], $3::int4[], $4::int4[]) as b(runid, epoch, last, cut)),
locked as (
  select i.runid, b.epoch, b.last, b.cut from b join instances i on i.runid = b.runid order by i.runid for no key update of i),
own as (
  update instances set log_lines = greatest(log_lines, locked.last), log_lines_cut = locked.cut
  from locked where instances.runid = locked.runid and instances.lease_epoch = locked.epoch and instances.status || '' = 'running'
  returning instances.runid),
written as (
  insert into instance_logs (runid, seq, stream, line)
  select l.* from own join unnest($5::uuid[], $6::int4[], $7::text[], $8::text[]) as l(runid, seq, stream, line) on l.runid = own.runid
  on conflict (runid, seq) do nothing)
select runid from own`;
