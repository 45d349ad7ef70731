import { chmod, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './run-command.ts';
import type { Fetch } from './temporal-binary.ts';

const HOST = 'temporal.download';
const PROBE_MS = 1500;
const LIMIT_MS = 180_000;
const script = fileURLToPath(new URL('./temporal-sdk-download.ts', import.meta.url));

/** Whether the download's host answers; a machine without internet must not wait for minutes. */
function reachable(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: 443 });
    const end = (answer: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(false), PROBE_MS);
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

async function keep(folder: string, target: string): Promise<boolean> {
  const binary = (await readdir(folder)).find((name) => name.startsWith('temporal'));
  if (!binary) return false;
  await chmod(path.join(folder, binary), 0o755);
  await rename(path.join(folder, binary), target);
  return true;
}

/** Lets Temporal's SDK fetch the server, in a process of its own because the SDK's download cannot be stopped. */
export const downloadBySdk: Fetch = async (target, report) => {
  if (!(await reachable(HOST))) return { ok: false, reason: `${HOST} does not answer` };
  const started = Date.now();
  report('fetching the Temporal server by its SDK (about 50 MB)');
  const folder = await mkdtemp(`${target}-`);
  const ticker = setInterval(() => report(`still fetching, ${Math.round((Date.now() - started) / 1000)} s`), 5000);
  try {
    const { code, output } = await runCommand(process.execPath, [script, folder], { limit_ms: LIMIT_MS });
    if (code === 0 && (await keep(folder, target))) return { ok: true };
    return { ok: false, reason: `download from ${HOST}: ${output.trim().split('\n').at(-1) || `nothing after ${LIMIT_MS / 1000} s`}` };
  } finally {
    clearInterval(ticker);
    await rm(folder, { recursive: true, force: true });
  }
};
