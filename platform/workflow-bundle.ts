import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { Logger } from '../config/logger.ts';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const SOURCES = ['workflows', 'core'];

/** Everything that the bundle is made of: sources and the SDK's version. A change of any makes another file. */
async function fingerprint(): Promise<string> {
  const hash = createHash('sha256').update(createRequire(import.meta.url)('@temporalio/workflow/package.json').version);
  for (const folder of SOURCES) {
    const files = (await readdir(path.join(ROOT, folder), { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
    for (const name of files) hash.update(`${folder}/${name}\0`).update(await readFile(path.join(ROOT, folder, name)));
  }
  return hash.digest('hex').slice(0, 32);
}

/** Bundles the workflows afresh. @throws when a workflow reaches for a module that workflows must not use */
export async function bundleWorkflows(): Promise<string> {
  const silent = new DefaultLogger('ERROR');
  const { code } = await bundleWorkflowCode({ workflowsPath: path.join(ROOT, 'workflows', 'index.ts'), logger: silent });
  return code;
}

/** Written beside its final name and renamed, so that no process ever reads half a bundle. */
async function store(file: string, code: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, code);
  await rename(draft, file);
}

/**
 * The workflow code for a worker: bundling takes a second or two, so it is kept under `<data_dir>/cache` by a fingerprint of its sources.
 * A cache that cannot be written costs time only.
 */
export async function workflowBundle(data_dir: string, logger: Logger): Promise<{ codePath: string } | { code: string }> {
  const file = path.join(data_dir, 'cache', `workflows-${await fingerprint()}.js`);
  const cached = await stat(file).catch(() => null);
  if (cached && cached.size > 0) return { codePath: file };
  const code = await bundleWorkflows();
  return await store(file, code).then(
    () => ({ codePath: file }),
    (cause: unknown) => {
      logger.warn({ err: cause, file }, 'workflow bundle could not be kept; it is made again at each start');
      return { code };
    },
  );
}
