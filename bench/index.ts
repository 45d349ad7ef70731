import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { runEntry } from '../platform/run-entry.ts';
import { measureFlames } from './flames.ts';
import { measureIdleStart } from './idle-start.ts';
import { untilInterrupted } from './interrupt.ts';
import { measureMemory } from './memory.ts';
import { measurePasses } from './passes.ts';
import { measureRelease } from './release-start.ts';
import { describeMachine, type Report, tableOf, writeJson } from './report.ts';
import { type Servers, startServers } from './servers.ts';
import { parseSettings, type Settings } from './settings.ts';
import { type Sides, startSides } from './sides.ts';
import { measureSlaLag } from './sla-lag.ts';
import { COUNTING, startCounting, statementUses } from './statements.ts';
import { measureSubmits } from './submit-latency.ts';
import { measureThroughput } from './throughput.ts';

const began = Date.now();
const say = (line: string): void => void process.stderr.write(`[${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s] ${line}\n`);

/** Everything in one run, on the same servers and processes. */
async function measureAll(sides: Sides, settings: Settings): Promise<Pick<Report, 'figures' | 'raw'>> {
  const wanted = new Set(settings.only);
  const throughput = wanted.has('throughput') ? await measureThroughput(sides, settings, say) : null;
  const submit = wanted.has('submit') ? await measureSubmits(sides, settings, say) : null;
  const idle = wanted.has('idle') ? await measureIdleStart(sides, settings, say) : null;
  const release = wanted.has('release') ? await measureRelease(sides, settings, say) : null;
  const passes = wanted.has('passes') ? await measurePasses(sides, settings, say) : null;
  const flames = wanted.has('flames') ? await measureFlames(sides, settings, say) : null;
  const sla = wanted.has('sla') ? await measureSlaLag(sides, settings, say) : null;
  const memory = measureMemory(sides.roles);
  const groups = [throughput, submit, idle, release, passes, flames, sla];
  return {
    figures: groups.flatMap((group) => group?.figures ?? []).concat(memory),
    raw: { throughput, submit, idle, release, passes, flames, sla },
  };
}

/** Starts the parts, measures, and stops them; with a profile folder also counts the statements of the database meanwhile. */
async function measureOn(servers: Servers, settings: Settings): Promise<Report> {
  say('starting api, worker, bare Temporal, the HTTP + INSERT floor and the client');
  if (settings.profile) mkdirSync(settings.profile, { recursive: true });
  const sides = await startSides(servers, settings.profile);
  try {
    if (settings.profile) await startCounting(servers.database_url);
    const measured = await untilInterrupted(measureAll(sides, settings));
    if (settings.profile) writeJson(path.join(settings.profile, 'statements.json'), await statementUses(servers.database_url));
    return { at: new Date(began).toISOString(), machine: describeMachine(), settings, ...measured };
  } finally {
    await sides.stop();
  }
}

/** @returns the report; everything that was started is stopped */
async function run(settings: Settings): Promise<Report> {
  say('starting PostgreSQL and Temporal in a folder of their own');
  const servers = await startServers(say, settings.profile ? COUNTING : {});
  return await measureOn(servers, settings).finally(() => servers.stop());
}

function show(report: Report, { json, strict }: Settings): void {
  process.stdout.write(`${tableOf(report.figures)}\n`);
  if (json) writeJson(json, report);
  else process.stdout.write(`${JSON.stringify({ machine: report.machine, figures: report.figures })}\n`);
  const short = report.figures.some(({ verdict }) => verdict === 'missed' || verdict === 'refused');
  process.exitCode = strict && short ? 1 : 0;
}

await runEntry(async () => {
  const settings = parseSettings(process.argv.slice(2));
  show(await run(settings), settings);
});
