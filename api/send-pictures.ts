import type { Response } from 'express';
import { writeChunk } from './write-chunk.ts';

const BOUNDARY = 'picture';

type Sending = { pictures: AsyncIterable<Uint8Array>; signal: AbortSignal };

/** Sends JPEG pictures, each in place of the one before (what browsers show as a film), until they end, the client goes or the server stops. */
export async function sendPictures(res: Response, { pictures, signal }: Sending): Promise<void> {
  res.set({
    'Content-Type': `multipart/x-mixed-replace; boundary=${BOUNDARY}`,
    'Cache-Control': 'no-cache, no-transform',
    'X-Accel-Buffering': 'no',
  });
  res.flushHeaders();
  try {
    for await (const picture of pictures) {
      const head = `--${BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`;
      if (!(await writeChunk(res, Buffer.concat([Buffer.from(head), picture, Buffer.from('\r\n')]), signal))) break;
    }
  } finally {
    res.end();
  }
}
