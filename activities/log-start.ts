import type { Claim } from '../commands/claim-instance.ts';
import { type Em, query } from '../entities/sql.ts';
import type { LogStart } from './log-writer.ts';

/** Enough lines to fill the 64 KB that are kept as the end of a log, unless they are very short; then the end is a little shorter. */
const TAIL_LINES = 1_000;

/** Where the log of a claimed instance goes on. Only a repeated execution has to look. */
export async function logStart(em: Em, claim: Claim): Promise<LogStart> {
  const start = { next_seq: claim.next_seq, lines_before: claim.output_lines, lines_cut: claim.log_lines_cut };
  if (claim.next_seq === 1) return { ...start, stored_bytes: 0, tail: [] };
  const [sum] = await query<{ bytes: number }>(
    em,
    `select coalesce(sum(octet_length(line) + 1), 0)::float8 as bytes from instance_logs where runid = $1 and stream <> 'system'`,
    [claim.runid],
  );
  const tail = await query<{ line: string }>(em, 'select line from instance_logs where runid = $1 order by seq desc limit $2', [
    claim.runid,
    TAIL_LINES,
  ]);
  return { ...start, stored_bytes: sum?.bytes ?? 0, tail: tail.map(({ line }) => line).reverse() };
}
