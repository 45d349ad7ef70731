/** How a tool ended: `stalled` when it was killed because nothing grew. `tail`: the last lines of its standard error. */
export type ToolExit = { exit_code: number | null; signal: string | null; stalled: boolean; tail: string };

/** `code` for retry rules and people; `retryable`: the same call may succeed when repeated. */
export type ToolFailure = { code: 'stalled' | 'killed' | 'disk_full' | 'bad_input' | 'tool_failed'; message: string; retryable: boolean };

const DISK_FULL = /No space left on device|Disk quota exceeded/i;
const BAD_INPUT =
  /No such file or directory|Invalid data found when processing input|Invalid argument|Option not found|No such filter|Unknown encoder|Protocol not on whitelist|Permission denied|Error (initializing|reinitializing|parsing)|not found/i;

/** The lines of a tool's standard error that say something, last ones first to be kept, at most `max` characters. */
export function lastLines(tail: string, max: number): string {
  const lines = tail
    .split(/[\r\n]+/)
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
  const kept: string[] = [];
  let size = -1;
  for (const line of lines.toReversed()) {
    size += line.length + 1;
    if (size > max && kept.length > 0) break;
    kept.unshift(line.slice(-max));
  }
  return kept.join('\n');
}

/** Why a tool failed, or null when it did not. The message ends with its own last words. */
export function toolFailure(tool: string, exit: ToolExit): ToolFailure | null {
  if (exit.exit_code === 0 && !exit.stalled) return null;
  const words = lastLines(exit.tail, 1_500);
  const said = words === '' ? 'and said nothing' : `and said: ${words}`;
  if (exit.stalled) return { code: 'stalled', message: `${tool} stopped growing and was killed, ${said}`, retryable: true };
  if (DISK_FULL.test(exit.tail)) return { code: 'disk_full', message: `${tool}: the disk is full: ${words}`, retryable: true };
  if (exit.signal !== null) return { code: 'killed', message: `${tool} was killed by ${exit.signal}, ${said}`, retryable: true };
  const message = `${tool} ended with exit code ${exit.exit_code} ${said}`;
  if (BAD_INPUT.test(exit.tail)) return { code: 'bad_input', message, retryable: false };
  return { code: 'tool_failed', message, retryable: true };
}
