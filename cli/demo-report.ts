import type { Access } from './access.ts';
import type { Followed } from './follow-task.ts';

/** How one engine fared. `ok`: completed, or ended in a way that this installation is meant to end it. */
export type DemoResult = {
  engine: string;
  ok: boolean;
  status: string;
  seconds: number | null;
  note: string;
  /** What could be done about it, in full; null when nothing needs to be. */
  hint: string | null;
  workflow: string | null;
};

/** Judges a task at its end. `expected`: notes by error code for endings that are no failure of the demonstration. */
export function judge(
  engine: string,
  { task, instance }: Followed,
  context: { expected: Record<string, string>; access: Access },
): DemoResult {
  const code = task.error?.code ?? '';
  const excuse = context.expected[code] ?? null;
  return {
    engine,
    ok: task.status === 'completed' || excuse !== null,
    status: code ? `${task.status} (${code})` : task.status,
    seconds: instance?.start_time && instance.end_time ? (Date.parse(instance.end_time) - Date.parse(instance.start_time)) / 1000 : null,
    note: task.status === 'completed' ? JSON.stringify(task.result) : (task.error?.message ?? task.status_reason ?? ''),
    hint: excuse,
    workflow: instance && workflowLink(context.access, instance),
  };
}

/** Where Temporal UI shows the instance, null without a UI. */
export function workflowLink(
  { temporal_ui, temporal_namespace }: Access,
  instance: { workflow_id: string; temporal_run_id: string | null },
): string | null {
  if (!temporal_ui) return null;
  const run = instance.temporal_run_id ? `/${instance.temporal_run_id}/history` : '';
  return `${temporal_ui}/namespaces/${temporal_namespace}/workflows/${encodeURIComponent(instance.workflow_id)}${run}`;
}

const clip = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);

/** A table of all engines, then hints and links, which would break it. */
export function demoTable(results: readonly DemoResult[]): string {
  const rows = results.map((r) => [
    r.engine,
    r.ok ? 'ok' : 'FAILED',
    r.status,
    r.seconds === null ? '–' : `${r.seconds.toFixed(1)} s`,
    clip(r.note, 110),
  ]);
  const table = [['engine', '', 'task', 'ran', 'result or reason'], ...rows];
  const widths = [0, 1, 2, 3].map((n) => Math.max(...table.map((row) => row[n]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, n) => cell.padEnd(widths[n] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const links = results.filter((r) => r.workflow !== null).map((r) => `${r.engine.padEnd(widths[0] ?? 0)}  ${r.workflow}`);
  const hints = results.filter((r) => r.hint !== null).map((r) => `${r.engine}: ${r.hint}`);
  return [...lines, ...(hints.length > 0 ? ['', ...hints] : []), ...(links.length > 0 ? ['', 'In Temporal UI:', ...links] : []), ''].join(
    '\n',
  );
}
