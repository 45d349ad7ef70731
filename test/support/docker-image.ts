import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { loadConfig } from '../../config/env.ts';

/** An image of busybox and its applets, made without any registry. */
export const TEST_IMAGE = 'orchestrator-test/busybox:latest';

/** A client for the daemon that the tests use. */
export function testDocker(): Docker {
  const url = new URL(loadConfig().DOCKER_HOST ?? 'unix:///var/run/docker.sock');
  return url.protocol === 'unix:'
    ? new Docker({ socketPath: url.pathname })
    : new Docker({ protocol: 'http', host: url.hostname, port: Number(url.port) });
}

/** `describe`, or `describe.skip` where no daemon answers; on CI a missing daemon is a failure, never a skip. */
export async function describeWithDocker(): Promise<typeof describe | typeof describe.skip> {
  const there = await testDocker()
    .ping()
    .then(
      () => true,
      () => false,
    );
  return there || process.env.CI ? describe : describe.skip;
}

/** A file system of busybox and its applets, as a tar. */
export function busyboxTar(): Buffer {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((file) => existsSync(file));
  if (!busybox) throw new Error('docker tests need busybox: apt-get install busybox-static');
  const root = mkdtempSync(path.join(tmpdir(), 'test-image-'));
  try {
    for (const folder of ['bin', 'tmp', 'etc', 'proc', 'sys', 'dev', 'root']) mkdirSync(path.join(root, folder));
    copyFileSync(busybox, path.join(root, 'bin/busybox'));
    const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' })
      .split('\n')
      .filter((name) => name && name !== 'busybox');
    for (const applet of applets) symlinkSync('busybox', path.join(root, 'bin', applet));
    const file = path.join(root, '..', `${path.basename(root)}.tar`);
    execFileSync('tar', ['-c', '-f', file, '-C', root, '.']);
    const tar = readFileSync(file);
    rmSync(file);
    return tar;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Imports the test image unless the daemon has it. @returns its tag */
export async function ensureTestImage(): Promise<string> {
  const docker = testDocker();
  if (
    await docker
      .getImage(TEST_IMAGE)
      .inspect()
      .then(
        () => true,
        () => false,
      )
  )
    return TEST_IMAGE;
  const [repo, tag] = TEST_IMAGE.split(':');
  const stream = await docker.importImage(Readable.from([busyboxTar()]) as unknown as string, { repo, tag, changes: 'ENV PATH=/bin' });
  for await (const chunk of stream as AsyncIterable<Buffer>) if (chunk.toString().includes('"error"')) throw new Error(chunk.toString());
  return TEST_IMAGE;
}
