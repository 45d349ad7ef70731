import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../core/errors.ts';
import { exitOf, type Running, within } from './guarded-process.ts';

/** `script`: for example `api/main.ts`; `env`: on top of this process's own. */
export type NodeProgram = { script: string; args?: readonly string[]; env: Record<string, string> };

export type NodeProcess = Running & { pid: number };

const project = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const FOLLOW = new URL('./follow-parent.ts', import.meta.url).href;

/** This process's environment with changes. Passing it on is not reading a setting, which config/env.ts alone does. */
// biome-ignore lint/style/noProcessEnv: inheritance, not configuration
const inherited = (changes: Record<string, string>): NodeJS.ProcessEnv => ({ ...process.env, ...changes });

/**
 * Runs one of the project's programs in a session of its own, so that Ctrl-C reaches it only through its supervisor; it dies with this process.
 * Its output goes to ours.
 * @throws EngineError internal: Node could not be started
 */
export function startNode({ script, args = [], env }: NodeProgram): NodeProcess {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--import', FOLLOW, path.join(project, script), ...args],
    {
      cwd: project,
      env: inherited(env),
      detached: true,
      stdio: ['pipe', 'inherit', 'inherit'],
    },
  );
  const { pid } = child;
  if (pid === undefined) throw new EngineError('internal', `${script}: ${process.execPath} could not be started`);
  const exited = exitOf(child);
  const stop = async (limit_ms = 30_000) => {
    if (limit_ms > 0) child.kill('SIGTERM');
    const exit = await within(exited, limit_ms);
    if (!exit) child.kill('SIGKILL');
    return exit ?? (await exited);
  };
  return { pid, exited, stop };
}
