/** What is known of a picture file from its first bytes; sizes in pixels, null where they stand further back. */
export type PictureKind = { decoder: 'png' | 'mjpeg' | 'webp' | 'bmp'; extension: string };

const startsWith = (bytes: Uint8Array, ...head: number[]): boolean => head.every((byte, i) => bytes[i] === byte);
const ascii = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));

/**
 * The kind of a picture, by its first bytes and never by its name: the decoder that ffmpeg is told to use is the only one that sees the file.
 * Null for everything else, playlists and videos included.
 */
export function pictureKind(head: Uint8Array): PictureKind | null {
  if (startsWith(head, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return { decoder: 'png', extension: 'png' };
  if (startsWith(head, 0xff, 0xd8, 0xff)) return { decoder: 'mjpeg', extension: 'jpg' };
  if (ascii(head, 0, 4) === 'RIFF' && ascii(head, 8, 12) === 'WEBP') return { decoder: 'webp', extension: 'webp' };
  if (startsWith(head, 0x42, 0x4d)) return { decoder: 'bmp', extension: 'bmp' };
  return null;
}
