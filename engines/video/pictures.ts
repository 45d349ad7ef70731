import { constants } from 'node:fs';
import { copyFile, open, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { EngineError } from '../../core/errors.ts';
import { pictureKind } from '../../core/video/picture.ts';
import type { Backdrop } from '../../core/video/scene-graph.ts';
import type { Workplace } from '../ffmpeg/workplace.ts';

const MOST_BYTES = 50 * 1_048_576;

const refused = (picture: string, why: string): EngineError => new EngineError('invalid_input', `picture "${picture}": ${why}`);

/** The file behind a name below a folder, links followed; it must still be below. */
async function locate(root: string, picture: string): Promise<string> {
  const folder = await realpath(root).catch(() => null);
  if (folder === null) throw refused(picture, 'the folder of pictures (VIDEO_PICTURES_DIR) is not there');
  const file = await realpath(path.join(folder, picture)).catch(() => null);
  if (file === null || !file.startsWith(folder + path.sep)) throw refused(picture, 'there is none below the folder of pictures');
  return file;
}

/**
 * Copies a picture into the workplace. Its kind is decided by its first bytes, and its copy gets a name of ours, so that ffmpeg sees a picture or
 * nothing: never a playlist that leads to other files.
 * @throws EngineError invalid_input: no pictures are configured, none of that name, no ordinary file, too large, or of no kind that we know
 */
export async function takePicture(
  place: Workplace,
  { root, picture, name }: { root: string | undefined; picture: string; name: string },
): Promise<Backdrop> {
  if (root === undefined) throw refused(picture, 'this worker has no folder of pictures (VIDEO_PICTURES_DIR)');
  const file = await locate(root, picture);
  const found = await stat(file);
  if (!found.isFile()) throw refused(picture, 'is not an ordinary file');
  if (found.size > MOST_BYTES) throw refused(picture, `is larger than ${MOST_BYTES / 1_048_576} MB`);
  const kind = pictureKind(await headOf(file));
  if (!kind) throw refused(picture, 'is neither PNG, JPEG, WebP nor BMP');
  const copy = `${name}.${kind.extension}`;
  await copyFile(file, place.file(copy), constants.COPYFILE_FICLONE);
  await place.give(copy);
  return { picture: copy, decoder: kind.decoder };
}

async function headOf(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
