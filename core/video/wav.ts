type Chunk = { name: string; at: number; size: number };

const wordAt = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));

/** The chunks of a RIFF file in their order; `at`: where the content begins. */
function* chunksOf(bytes: Uint8Array, view: DataView): Generator<Chunk> {
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    yield { name: wordAt(bytes, at), at: at + 8, size };
    at += 8 + size + (size % 2);
  }
}

const isWav = (bytes: Uint8Array): boolean => bytes.length >= 12 && wordAt(bytes, 0) === 'RIFF' && wordAt(bytes, 8) === 'WAVE';

/**
 * How many seconds a WAV file lasts, from its header; null when it is none or holds no sound. A `data` size of 0 or beyond the file, as streaming
 * writers leave it, counts as all that follows.
 */
export function wavDuration(bytes: Uint8Array): number | null {
  if (!isWav(bytes)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = [...chunksOf(bytes, view)];
  const format = chunks.find(({ name, at }) => name === 'fmt ' && at + 12 <= bytes.length);
  const data = chunks.find(({ name }) => name === 'data');
  if (!format || !data) return null;
  const rate = view.getUint32(format.at + 8, true);
  const rest = bytes.length - data.at;
  const length = data.size === 0 ? rest : Math.min(data.size, rest);
  return rate > 0 && length > 0 ? length / rate : null;
}
