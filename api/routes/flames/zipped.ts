import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';

/** A file of an archive, read only when its turn comes. */
export type ZippedFile = { name: string; open(): AsyncIterable<string | Uint8Array> };

/** An archive, written while it is read: nothing is kept but what is under way. A file that fails makes the archive fail. */
export function zipped(files: readonly ZippedFile[]): AsyncIterable<Uint8Array> {
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  zip.on('error', (cause: unknown) => output.destroy(cause as Error));
  for (const { name, open } of files) {
    zip.addReadStreamLazy(name, { compress: true }, (done) => {
      const source = Readable.from(open());
      source.on('error', (cause) => output.destroy(cause));
      output.once('close', () => source.destroy());
      done(null, source);
    });
  }
  zip.end();
  return output;
}
