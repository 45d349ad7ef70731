import type { NumberedLine } from '../core/logs/segment.ts';
import { type Em, query } from '../entities/sql.ts';

const CHUNK = 2_000;

/** Lines of an instance's own output behind `after`, as many as there are now. Its stamps say when they were stored, not when written, so they are left out. */
export async function* readInstanceLines(fork: () => Em, runid: string, after: number): AsyncGenerator<NumberedLine[]> {
  let last = after;
  while (true) {
    const rows = await query<{ seq: number; stream: 'stdout' | 'stderr' | 'system'; line: string }>(
      fork(),
      `select seq, stream, line from instance_logs where runid = $1 and seq > $2 order by seq limit ${CHUNK}`,
      [runid, last],
    );
    yield rows
      .filter(({ stream }) => stream !== 'system')
      .map(({ seq, stream, line }) => ({ number: seq, text: line, stream: stream as 'stdout' | 'stderr', time: null, name: null }));
    if (rows.length < CHUNK) return;
    last = rows.at(-1)?.seq ?? last;
  }
}
