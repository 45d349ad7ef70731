import { measureIdleStart } from './idle-start.ts';
import { measureMemory } from './memory.ts';
import { describeMachine, type Report, tableOf, writeReport } from './report.ts';
import { startServers } from './servers.ts';
import { parseSettings, type Settings } from './settings.ts';
import { type Sides, startSides } from './sides.ts';
import { measureSubmits } from './submit-latency.ts';
import { measureThroughput } from './throughput.ts';

const began = Date.now();
const say = (line: string): void => void process.stderr.write(`[${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s] ${line}\n`);

/** Everything in one run, on the same servers and processes. */
async function measureAll(sides: Sides, settings: Settings): Promise<Report> {
  const throughput = await measureThroughput(sides, settings, say);
  const idle = await measureIdleStart(sides, settings, say);
  const submits = await measureSubmits(sides, settings, say);
  const memory = measureMemory(sides.roles);
  return {
    at: new Date(began).toISOString(),
    machine: describeMachine(),
    settings,
    figures: [...throughput.figures, ...submits.figures, idle.figure, ...memory],
    raw: { throughput: throughput.pairs, idle: idle.pairs, submit_one: submits.one, submit_many: submits.many },
  };
}

async function run(settings: Settings): Promise<Report> {
  say('starting PostgreSQL and Temporal in a folder of their own');
  const servers = await startServers(say, {});
  try {
    say('starting api, worker, bare Temporal, the HTTP + INSERT floor and the client');
    const sides = await startSides(servers, settings.profile);
    return await measureAll(sides, settings).finally(() => sides.stop());
  } finally {
    await servers.stop();
  }
}

const settings = parseSettings(process.argv.slice(2));
const report = await run(settings);
process.stdout.write(`${tableOf(report.figures)}\n`);
if (settings.json) writeReport(settings.json, report);
else process.stdout.write(`${JSON.stringify({ machine: report.machine, figures: report.figures })}\n`);
const failing = report.figures.filter(({ verdict }) => verdict === 'missed' || verdict === 'refused');
process.exitCode = settings.strict && failing.length > 0 ? 1 : 0;
