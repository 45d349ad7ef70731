import { spawn } from 'node:child_process';
import { exitOf } from './guarded-process.ts';

/** `code` is null when the time limit or a signal ended it, 127 when the command does not exist; `output`: the last 16 KB of both streams. */
export type CommandResult = { code: number | null; output: string };

/** `limit_ms`: after it the command is killed. `onLine` sees each line as it comes. */
export type CommandOptions = { limit_ms: number; cwd?: string; onLine?: (line: string) => void };

/** Runs a command to its end with this process's environment and collects what it prints. Never throws. */
export async function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const child = spawn(command, args, { cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: options.limit_ms, killSignal: 'SIGKILL' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-16_384);
      for (const line of chunk.split('\n')) if (line.trim()) options.onLine?.(line.trim());
    });
  }
  const { code } = await exitOf(child);
  return { code, output };
}
