import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runCommand } from '../platform/run-command.ts';

const OWN_IMAGE = 'orchestrator-demo/busybox:latest';
const PUBLIC_IMAGE = 'busybox:latest';
const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox', '/usr/local/bin/busybox'];
const LIMIT_MS = 60_000;

/**
 * An image with a shell in it: made here from busybox without any registry where that is possible, else the public one, which the engine pulls.
 * @param docker_host DOCKER_HOST, undefined for the local socket
 */
export async function demoImage(docker_host: string | undefined): Promise<{ name: string } | { missing: string }> {
  const docker = (...args: string[]) =>
    runCommand('docker', [...(docker_host ? ['-H', docker_host] : []), ...args], { limit_ms: LIMIT_MS });
  if ((await docker('image', 'inspect', OWN_IMAGE)).code === 0) return { name: OWN_IMAGE };
  const busybox = BUSYBOX.find((file) => existsSync(file));
  if (!busybox || (await docker('version')).code !== 0) return { name: PUBLIC_IMAGE };
  const { code, output } = await withRootTar(busybox, (tar) => docker('import', '--change', 'ENV PATH=/bin', tar, OWN_IMAGE));
  return code === 0 ? { name: OWN_IMAGE } : { missing: `docker import of ${busybox} failed: ${output.trim()}` };
}

/** A tar of a file system that holds busybox and the few names that the demonstration calls it by; removed after `use`. */
async function withRootTar<T>(busybox: string, use: (tar: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-demo-'));
  try {
    await mkdir(path.join(folder, 'root', 'bin'), { recursive: true });
    await copyFile(busybox, path.join(folder, 'root', 'bin', 'busybox'));
    for (const name of ['sh', 'echo', 'cat', 'sleep']) await symlink('busybox', path.join(folder, 'root', 'bin', name));
    for (const name of ['proc', 'sys', 'dev', 'etc', 'tmp']) await mkdir(path.join(folder, 'root', name));
    const tar = path.join(folder, 'root.tar');
    await runCommand('tar', ['-c', '-f', tar, '-C', path.join(folder, 'root'), '.'], { limit_ms: LIMIT_MS });
    return await use(tar);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
