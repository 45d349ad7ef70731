import { spawn } from 'node:child_process';

/** `code` is null when the time limit or a signal ended it, 127 when the command does not exist; `output`: the last 16 KB of both streams. */
export type CommandResult = { code: number | null; output: string };

/** `limit_ms`: after it the command is killed. `env`: instead of this process's. `owner`: run as that user. `onLine` sees each line as it comes. */
export type CommandOptions = {
  limit_ms: number;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  owner?: { uid: number; gid: number } | null;
  onLine?: (line: string) => void;
};

/** Runs a command to its end and collects what it prints. Never throws. */
export async function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const ids = options.owner ? { uid: options.owner.uid, gid: options.owner.gid } : {};
  const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ['ignore', 'pipe', 'pipe'], ...ids });
  const timer = setTimeout(() => child.kill('SIGKILL'), options.limit_ms);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-16_384);
      for (const line of chunk.split('\n')) if (line.trim()) options.onLine?.(line.trim());
    });
  }
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(127)).on('close', resolve);
  });
  clearTimeout(timer);
  return { code, output };
}
