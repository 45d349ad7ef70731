/**
 * `npm run check`: types, lint and format (layer rules among them), dead code. Runs all, prints each one's result, fails when any failed.
 */
import { spawnSync } from 'node:child_process';
import { elapsed, root } from './console.mjs';

const CHECKS = [
  ['types', 'tsc', ['--noEmit', '-p', '.']],
  ['lint and format', 'biome', ['check', '--error-on-warnings', '.']],
  ['dead code', 'knip', ['--no-progress']],
];

const results = CHECKS.map(([name, tool, args]) => {
  const started = Date.now();
  process.stdout.write(`\n== ${name}: ${tool} ${args.join(' ')}\n`);
  const { status } = spawnSync(tool, args, { cwd: root, stdio: 'inherit' });
  return { name, ok: status === 0, time: elapsed(started) };
});

process.stdout.write('\n');
for (const { name, ok, time } of results) process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${name} (${time})\n`);
process.exitCode = results.every((r) => r.ok) ? 0 : 1;
