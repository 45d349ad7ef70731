import { EngineError } from '../../core/errors.ts';

/** Output of a container without a terminal, as Docker multiplexes it: 8 bytes of header (stream, length), then the payload. */
export type Frame = { stream: 'stdout' | 'stderr'; payload: Buffer };

const HEADER_BYTES = 8;
const LARGEST_FRAME = 64 * 1024 * 1024;

function frameLength(header: Buffer): number {
  const length = header.readUInt32BE(4);
  if (header.readUInt8(0) > 2 || length > LARGEST_FRAME)
    throw new EngineError('internal', `docker: not a log frame: ${header.toString('hex', 0, HEADER_BYTES)}`);
  return length;
}

/** The first frame of `bytes` and where it ends, or null when it is not there as a whole. */
function firstFrame(bytes: Buffer): { frame: Frame; end: number } | null {
  if (bytes.length < HEADER_BYTES) return null;
  const end = HEADER_BYTES + frameLength(bytes);
  if (end > bytes.length) return null;
  return { frame: { stream: bytes[0] === 2 ? 'stderr' : 'stdout', payload: bytes.subarray(HEADER_BYTES, end) }, end };
}

/**
 * Takes a multiplexed stream apart, whatever its chunks.
 * @throws EngineError internal: the bytes are no such stream
 */
export async function* readFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (let first = firstFrame(held); first; first = firstFrame(held)) {
      yield first.frame;
      held = held.subarray(first.end);
    }
  }
}
