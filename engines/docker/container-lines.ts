import type { Container } from 'dockerode';
import { readFrames } from './frames.ts';

/** One piece of a container's log. `stamp`: the Engine's, as it wrote it; `partial`: the line goes on in the next piece of its stream. */
export type LogPiece = { stamp: string; time: number; stream: 'stdout' | 'stderr'; text: string; partial: boolean };

export type LogReading = { tty: boolean; follow: boolean; since_s: number; signal: AbortSignal };

const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?/;
/** Docker cuts longer lines; without frames the parts run together, each with its stamp. */
const PART_BYTES = 16_384;
/** What is held of a terminal's line whose end has not come. Beyond that it is handed on in parts, which whoever joins them may cut. */
const MOST_HELD = 1_048_576;
const LF = 0x0a;

function pieceOf(bytes: Buffer, stream: LogPiece['stream'], partial: boolean): LogPiece {
  const head = bytes.subarray(0, 64).toString('latin1');
  const match = STAMP.exec(head);
  const stamp = match?.[1] ?? '';
  const text = bytes.subarray(match?.[0].length ?? 0).toString('utf8');
  return { stamp, time: stamp === '' ? Number.NaN : Date.parse(stamp), stream, text, partial };
}

/** A frame is one message: a line, or a part of one, which has no newline at its end. */
async function* framed(chunks: AsyncIterable<Buffer>): AsyncGenerator<LogPiece> {
  for await (const { stream, payload } of readFrames(chunks)) {
    const whole = payload.at(-1) === LF;
    yield pieceOf(whole ? payload.subarray(0, -1) : payload, stream, !whole);
  }
}

/** A terminal's line taken apart where the Engine had cut it; `goes_on`: its end has not come yet. */
function* partsOf(line: Buffer, goes_on = false): Generator<LogPiece> {
  let rest = line;
  for (;;) {
    const stamped = (STAMP.exec(rest.subarray(0, 64).toString('latin1'))?.[0] ?? '').length;
    const cut = stamped + PART_BYTES;
    const joined = rest.length > cut && STAMP.test(rest.subarray(cut, cut + 64).toString('latin1'));
    yield pieceOf(joined ? rest.subarray(0, cut) : rest, 'stdout', joined || goes_on);
    if (!joined) return;
    rest = rest.subarray(cut);
  }
}

async function* terminal(chunks: AsyncIterable<Buffer>): AsyncGenerator<LogPiece> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (let at = held.indexOf(LF); at !== -1; at = held.indexOf(LF)) {
      yield* partsOf(held.subarray(0, at));
      held = held.subarray(at + 1);
    }
    if (held.length < MOST_HELD) continue;
    yield* partsOf(held, true);
    held = Buffer.alloc(0);
  }
  if (held.length > 0) yield* partsOf(held);
}

/** A container's log as the Engine kept it, from an instant on; ends with the container when it is followed. Errors of the daemon pass through. */
export async function* containerPieces(container: Container, { tty, follow, since_s, signal }: LogReading): AsyncGenerator<LogPiece> {
  const options = { stdout: true, stderr: true, timestamps: true, since: since_s, follow, abortSignal: signal };
  const answer = (await container.logs(options as never)) as unknown as AsyncIterable<Buffer> | Buffer;
  const chunks = Buffer.isBuffer(answer) ? oneChunk(answer) : answer;
  yield* tty ? terminal(chunks) : framed(chunks);
}

async function* oneChunk(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
