import { EngineError } from '../../core/errors.ts';

/** A picture that is larger than this is not one of ours. */
const MOST_BYTES = 16 * 2 ** 20;
const END_OF_HEAD = Buffer.from('\r\n\r\n');
const LENGTH = /content-length:\s*(\d+)/i;

/**
 * Pictures out of ffmpeg's `mpjpeg`: parts with a head that says how long they are, so nothing has to be guessed from the bytes. While one is being looked at nothing
 * more is read, and ffmpeg waits.
 */
export async function readPictures(output: AsyncIterable<Buffer>, take: (jpeg: Buffer) => Promise<void>): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of output) {
    rest = Buffer.concat([rest, chunk]);
    for (let part = nextPart(rest); part; part = nextPart(rest)) {
      rest = part.rest;
      await take(part.jpeg);
    }
  }
}

/** @throws EngineError internal: no part, or one that is too large */
function nextPart(bytes: Buffer): { jpeg: Buffer; rest: Buffer } | null {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0) return null;
  const length = Number(LENGTH.exec(bytes.toString('latin1', 0, end))?.[1] ?? Number.NaN);
  if (!(length <= MOST_BYTES)) throw new EngineError('internal', 'ffmpeg: expected pictures with their length');
  const [from, until] = [end + END_OF_HEAD.length, end + END_OF_HEAD.length + length];
  if (bytes.length < until) return null;
  return { jpeg: Buffer.from(bytes.subarray(from, until)), rest: bytes.subarray(until) };
}
