import { EngineError } from '../../core/errors.ts';

/** Output of a container without a terminal, as Docker multiplexes it: 8 bytes of header (stream, length), then the payload. */
export type Frame = { stream: 'stdout' | 'stderr'; payload: Buffer };

const HEADER_BYTES = 8;
const LARGEST_FRAME = 64 * 1024 * 1024;

function frameLength(header: Buffer): number {
  const length = header.readUInt32BE(4);
  if (header[0]! > 2 || length > LARGEST_FRAME) throw new EngineError('internal', `docker: not a log frame: ${header.toString('hex')}`);
  return length;
}

/**
 * Takes a multiplexed stream apart, whatever its chunks.
 * @throws EngineError internal: the bytes are no such stream
 */
export async function* readFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    let from = 0;
    while (held.length - from >= HEADER_BYTES) {
      const header = held.subarray(from, from + HEADER_BYTES);
      const end = from + HEADER_BYTES + frameLength(header);
      if (end > held.length) break;
      yield { stream: header[0] === 2 ? 'stderr' : 'stdout', payload: held.subarray(from + HEADER_BYTES, end) };
      from = end;
    }
    held = held.subarray(from);
  }
}
