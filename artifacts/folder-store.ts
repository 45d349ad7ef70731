import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, type Dirent } from 'node:fs';
import { copyFile, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '../core/errors.ts';
import { checkKey } from './artifact-key.ts';
import type { ArtifactInfo, ArtifactStore, Content, Stored } from './artifact-store.ts';

/** Begins with a dot, which no key does: what was not finished is never listed. */
const ASIDE = '.aside';

/**
 * Artifacts in a folder, which all processes must share (one machine, or a network file system). Files are written aside, flushed to the disk and then
 * renamed, so that a crash leaves the old content or the new.
 */
export function createFolderStore(root: string): ArtifactStore {
  const fileOf = (key: string) => path.join(root, checkKey(key));
  return {
    put: (key, content) => usable(key, async () => write({ root, key, file: fileOf(key) }, content)),
    take: (key, file) => usable(key, async () => take({ root, key, file: fileOf(key) }, file)),
    stat: (key) => usable(key, async () => infoOf(key, fileOf(key))),
    open: (key, range = null) => usable(key, async () => read(key, fileOf(key), range)),
    remove: (key) => usable(key, async () => remove(fileOf(key))),
    removeAll: (prefix) => usable(prefix, async () => removeAll(root, folderOf(prefix))),
    list: (prefix) => listed(root, folderOf(prefix)),
    fetch: (key, file) => usable(key, async () => pipeline(await read(key, fileOf(key), null), createWriteStream(file))),
  };
}

const folderOf = (prefix: string): string => {
  if (prefix === '') return '';
  if (!prefix.endsWith('/')) throw new EngineError('invalid_input', `artifact prefix ${JSON.stringify(prefix)}: must end with "/"`);
  return checkKey(prefix.slice(0, -1));
};

type Place = { root: string; key: string; file: string };

async function write({ root, key, file }: Place, content: Content): Promise<Stored> {
  const aside = await makeAside(root);
  const hash = createHash('sha256');
  let size = 0;
  async function* counted() {
    for await (const chunk of typeof content === 'string' || content instanceof Uint8Array ? [content] : content) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      size += bytes.length;
      hash.update(bytes);
      yield bytes;
    }
  }
  try {
    await pipeline(Readable.from(counted()), createWriteStream(aside, { flush: true, mode: 0o640 }));
    await moveTo(aside, file);
  } catch (cause) {
    await rm(aside, { force: true });
    throw cause;
  }
  return { key, size, sha256: hash.digest('hex') };
}

async function take({ root, key, file }: Place, source: string): Promise<Stored> {
  const aside = await makeAside(root);
  const hash = createHash('sha256');
  await pipeline(createReadStream(source), hash);
  try {
    await rename(source, aside).catch(() => copyFile(source, aside));
    await flush(aside);
    const { size } = await stat(aside);
    await moveTo(aside, file);
    await rm(source, { force: true });
    return { key, size, sha256: hash.digest('hex') };
  } catch (cause) {
    await rm(aside, { force: true });
    throw cause;
  }
}

async function makeAside(root: string): Promise<string> {
  const folder = path.join(root, ASIDE);
  await mkdir(folder, { recursive: true, mode: 0o750 });
  return path.join(folder, randomUUID());
}

async function moveTo(aside: string, file: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o750 });
  await rename(aside, file);
  await flush(path.dirname(file));
}

async function flush(what: string): Promise<void> {
  const handle = await open(what, 'r');
  await handle.sync().finally(() => handle.close());
}

const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

async function infoOf(key: string, file: string): Promise<ArtifactInfo | null> {
  try {
    const found = await stat(file);
    return found.isFile() ? { key, size: found.size, modified_at: found.mtime } : null;
  } catch (cause) {
    if (isMissing(cause)) return null;
    throw cause;
  }
}

async function read(key: string, file: string, range: { start: number; end: number } | null): Promise<Readable> {
  if (!(await infoOf(key, file))) throw new EngineError('not_found', `artifact "${key}": there is none`);
  return createReadStream(file, range ?? {});
}

async function remove(file: string): Promise<boolean> {
  try {
    await rm(file);
    return true;
  } catch (cause) {
    if (isMissing(cause) || (cause as NodeJS.ErrnoException).code === 'ERR_FS_EISDIR') return false;
    throw cause;
  }
}

async function removeAll(root: string, folder: string): Promise<number> {
  let removed = 0;
  for await (const _ of listed(root, folder)) removed += 1;
  if (folder !== '') await rm(path.join(root, folder), { recursive: true, force: true });
  else throw new EngineError('invalid_input', 'artifact prefix "": everything is never removed at once');
  return removed;
}

async function* listed(root: string, folder: string): AsyncGenerator<ArtifactInfo> {
  for await (const entry of await entriesOf(root, folder)) {
    if (entry.name.startsWith('.')) continue;
    const key = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* listed(root, key);
    else yield* found(await infoOf(key, path.join(root, key)));
  }
}

/** What vanished since its folder was read is left out. */
function* found(info: ArtifactInfo | null): Generator<ArtifactInfo> {
  if (info) yield info;
}

async function entriesOf(root: string, folder: string): Promise<AsyncIterable<Dirent> | Dirent[]> {
  try {
    return await opendir(path.join(root, folder));
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw unavailable(folder, cause);
  }
}

/** What the file system refuses is a fault of the surroundings, never of whoever asked. */
async function usable<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof EngineError || !(cause as NodeJS.ErrnoException).code?.startsWith('E')) throw cause;
    throw unavailable(key, cause);
  }
}

const unavailable = (key: string, cause: unknown): EngineError =>
  new EngineError('unavailable', `artifact "${key}": the store cannot be used (${(cause as NodeJS.ErrnoException).code})`, { cause });
