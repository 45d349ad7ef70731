import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import type { Bar, Figure } from './figure.ts';
import type { Settings } from './settings.ts';

/** What was measured where, for later comparison. `raw`: every block with its CPU by role, calibration and foreign use. */
export type Report = { at: string; machine: Record<string, unknown>; settings: Settings; figures: Figure[]; raw: Record<string, unknown> };

function revision(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}

export const describeMachine = (): Record<string, unknown> => ({
  cores: os.availableParallelism(),
  cpu: os.cpus()[0]?.model ?? 'unknown',
  memory_mb: Math.round(os.totalmem() / 2 ** 20),
  system: `${os.type()} ${os.release()}`,
  node: process.version,
  revision: revision(),
});

const digits = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));
const barText = (bar: Bar | null, unit: string): string => (bar ? `${bar.kind === 'at_least' ? '≥' : '≤'} ${bar.limit} ${unit}` : '');

function cells(figure: Figure): string[] {
  const { name, unit, value, spread, bar, verdict, note } = figure;
  const several = spread.min !== spread.max && value !== null;
  return [
    name,
    value === null ? '–' : `${digits(value)} ${unit}`,
    several ? `${digits(spread.min)}–${digits(spread.max)}` : '',
    barText(bar, unit),
    verdict === 'info' ? '' : verdict === 'refused' ? 'refused: noisy' : verdict,
    note,
  ];
}

/** The figures as a table for a terminal; columns as wide as their longest entry. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = [['figure', 'value', 'blocks', 'bar', 'verdict', 'behind it'], ...figures.map(cells)];
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [lines[0], widths.map((width) => '─'.repeat(width)).join('  '), ...lines.slice(1)].join('\n');
}

export function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
