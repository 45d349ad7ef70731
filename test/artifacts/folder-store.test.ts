import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import fc from 'fast-check';
import type { ArtifactStore } from '../../artifacts/artifact-store.ts';
import { createFolderStore } from '../../artifacts/folder-store.ts';

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-artifacts-'));
  store = createFolderStore(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const keys = async (prefix = ''): Promise<string[]> => {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found.sort();
};

test('gives back what was put, whole and in ranges, with its size and checksum', async () => {
  const bytes = randomBytes(300_000);
  async function* parts() {
    for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000);
  }
  const stored = await store.put('videos/a/one.mp4', parts());
  expect(stored).toEqual({ key: 'videos/a/one.mp4', size: 300_000, sha256: createHash('sha256').update(bytes).digest('hex') });
  expect(await buffer(await store.open('videos/a/one.mp4'))).toEqual(bytes);
  expect(await buffer(await store.open('videos/a/one.mp4', { start: 10, end: 19 }))).toEqual(bytes.subarray(10, 20));
  expect(await store.stat('videos/a/one.mp4')).toMatchObject({ key: 'videos/a/one.mp4', size: 300_000 });
});

test('replaces what was there, and keeps it when the new content breaks off', async () => {
  await store.put('a.txt', 'old');
  async function* broken() {
    yield 'new';
    throw new Error('the source broke');
  }
  await expect(store.put('a.txt', broken())).rejects.toThrow('the source broke');
  expect(await text(await store.open('a.txt'))).toBe('old');
  await store.put('a.txt', 'new');
  expect(await text(await store.open('a.txt'))).toBe('new');
  expect(await readdir(path.join(root, '.aside'))).toEqual([]);
});

test('lists and removes below a prefix, and never shows what is not finished', async () => {
  for (const key of ['x/1', 'x/y/2', 'xy/3', 'z']) await store.put(key, key);
  await writeFile(path.join(root, '.aside', 'half'), 'half');
  expect(await keys()).toEqual(['x/1', 'x/y/2', 'xy/3', 'z']);
  expect(await keys('x/')).toEqual(['x/1', 'x/y/2']);
  expect(await store.removeAll('x/')).toBe(2);
  expect(await store.remove('z')).toBe(true);
  expect(await store.remove('z')).toBe(false);
  expect(await keys()).toEqual(['xy/3']);
  expect(await keys('nowhere/')).toEqual([]);
  await expect(store.removeAll('')).rejects.toMatchObject({ code: 'invalid_input' });
});

test('takes a file of the machine and fetches it back', async () => {
  const file = path.join(root, '.file');
  await writeFile(file, 'content');
  expect(await store.take('t/1', file)).toMatchObject({ size: 7 });
  await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
  await store.fetch('t/1', file);
  expect(await readFile(file, 'utf8')).toBe('content');
});

test('says what is missing', async () => {
  expect(await store.stat('no')).toBeNull();
  await store.put('folder/file', 'x');
  expect(await store.stat('folder')).toBeNull();
  await expect(store.open('no')).rejects.toMatchObject({ code: 'not_found' });
  await expect(store.open('folder/file/below')).rejects.toMatchObject({ code: 'not_found' });
  await expect(store.fetch('folder', path.join(root, '.x'))).rejects.toMatchObject({ code: 'not_found' });
});

test.each([
  '',
  '/',
  '../a',
  'a/../b',
  '/etc/passwd',
  'a//b',
  '.aside/x',
  'a/.b',
  'a\0b',
  'a\\b',
  'ü',
  `${'a'.repeat(121)}`,
  'a/'.repeat(13),
])('refuses the key %j', async (key) => {
  for (const work of [() => store.put(key, ''), () => store.open(key), () => store.remove(key), () => store.stat(key)])
    await expect((async () => work())()).rejects.toMatchObject({ code: 'invalid_input' });
});

test('no key leads out of the folder', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom('.', '..', '/', 'a', '\\', '%2e', '\0', '~'), { maxLength: 8 }), async (parts) => {
      const key = parts.join('');
      await (async () => store.put(key, 'x'))().catch(() => undefined);
      expect((await readdir(path.dirname(root))).filter((name) => name === 'a' || name === '~')).toEqual([]);
    }),
    { numRuns: 50 },
  );
});

test('a folder that cannot be used is a fault that may pass', async () => {
  const file = path.join(root, 'file');
  await writeFile(file, '');
  await expect(createFolderStore(file).put('a', 'x')).rejects.toMatchObject({ code: 'unavailable', retryable: true });
});
