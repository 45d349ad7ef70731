import { setTimeout as sleep } from 'node:timers/promises';
import { admit } from '../../../commands/admit.ts';
import { finishInstances } from '../../../commands/finish-instances.ts';
import { releaseTask } from '../../../commands/hold-task.ts';
import { releaseDue } from '../../../commands/release-due.ts';
import { EngineError } from '../../../core/errors.ts';
import { createOrm } from '../../../entities/orm.ts';
import { type Em, query } from '../../../entities/sql.ts';
import type { TestDatabase } from '../../support/database.ts';
import { countOf, heldAmounts, NOTHING_HELD, outcome } from '../../support/factories.ts';
import { rewriting } from '../../support/statements.ts';
import { ACTORS } from './actors.ts';
import { type Random, randomFrom } from './random.ts';
import { sample } from './sampler.ts';
import { type Action, type Chaos, count, found, makeChaosWorld } from './world.ts';

/** `floor`: the run goes on until each thing happened so often. `rewrite`: plants a bug into the statements of the actors, not into those that check. */
export type ChaosOptions = { seed: number; floor: Record<string, number>; rewrite?: (sql: string) => string };

/** `findings` empty: every promise held at every sampled moment and at the end. */
export type ChaosReport = { findings: string[]; tally: Record<string, number> };

/** Refusals that are answers, not faults. */
const ANSWERS = new Set(['conflict', 'quota_exceeded', 'not_found', 'too_many', 'unsatisfiable']);

async function attempt(chaos: Chaos, who: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (error instanceof EngineError && ANSWERS.has(error.code)) count(chaos, `refused: ${error.code}`);
    else found(chaos, `${who}: ${code ?? ''} ${message}`);
  }
}

/** The longest pause after an action, in milliseconds: clients and the operator leave time for the others. */
const PAUSES_MS: Record<string, number> = { client: 25, operator: 10, clock: 50 };

async function act(chaos: Chaos, who: string, { actions, random }: { actions: Action[]; random: Random }): Promise<void> {
  while (!chaos.over) {
    await attempt(chaos, who, async () => await random.pick(actions)?.(chaos, random));
    await sleep(random.between(0, PAUSES_MS[who.split(' ')[0] ?? ''] ?? 2));
  }
}

/** How long a run may take to reach its floor; a few seconds do on an idle machine. */
const PATIENCE_MS = 120_000;

/** Samples until the run is over: with a finding, or when enough has happened. A run in which every call fails proves nothing, and never gets there. */
async function watch(chaos: Chaos, em: Em, floor: Record<string, number>): Promise<void> {
  const until = Date.now() + PATIENCE_MS;
  while (!chaos.over) {
    for (const finding of await sample(em)) found(chaos, finding);
    count(chaos, 'samples');
    const lacking = Object.entries(floor).filter(([what, least]) => (chaos.tally.get(what) ?? 0) < least);
    if (Date.now() > until) found(chaos, `for two minutes there was too little of ${lacking.map(([what]) => what).join(', ')}`);
    chaos.over = chaos.findings.length > 0 || lacking.length === 0;
  }
}

const UNFINISHED = `tasks where status in ('pending', 'queued', 'processing')`;

async function releaseHeld(chaos: Chaos): Promise<void> {
  const held = await query<{ uuid: string }>(chaos.em(), `select uuid from tasks where pending_reason = 'hold'`);
  const actor = chaos.users.at(-1) as Chaos['users'][number];
  for (const { uuid } of held) await releaseTask({ em: chaos.em(), actor, request_id: null }, uuid);
}

/** Opens all doors and lets everything end. */
async function settle(chaos: Chaos): Promise<void> {
  const em = chaos.em();
  await query(em, `update pools set status = 'active', total_cpu = 8, total_memory = 4000 where name = 'pa'`);
  await query(em, `update pools set status = 'active' where name = 'pb'`);
  await query(em, `update queues set status = 'active', capacity = 6`);
  await query(em, `update workers set status = 'active', heartbeat_at = now()`);
  for (let round = 0; round < 300; round += 1) {
    if ((await countOf(em, UNFINISHED)) === 0) return;
    await query(em, `update tasks set not_before = now() where status = 'pending'`);
    await query(
      em,
      `update rate_buckets set full_us = 0, shaped_us = 9e15::int8, ready_at = clock_timestamp() where ready_at is not null or full_us > 0`,
    );
    await releaseHeld(chaos);
    await releaseDue(em);
    await admit(em);
    const live = await query<{ runid: string }>(em, `select runid from instances where status in ('starting', 'running')`);
    await finishInstances(
      em,
      live.map(({ runid }) => ({ runid, lease_epoch: null, outcome: outcome('completed') })),
      'reconciler',
    );
  }
  found(chaos, `${await countOf(em, UNFINISHED)} tasks never ended`);
}

/** The count equation, and nothing held. */
async function checkEnd(chaos: Chaos, em: Em): Promise<void> {
  for (const finding of await sample(em)) found(chaos, `at the end: ${finding}`);
  const rows = await query<{ status: string; n: number }>(em, 'select status, count(*)::int4 as n from tasks group by status');
  const ends = Object.fromEntries(rows.map((row) => [row.status, row.n]));
  for (const [status, n] of Object.entries(ends)) count(chaos, `ended ${status}`, n);
  const sum = (ends.completed ?? 0) + (ends.failed ?? 0) + (ends.cancelled ?? 0);
  if (sum !== chaos.tasks.length) found(chaos, `${chaos.tasks.length} tasks were accepted, ${sum} ended: ${JSON.stringify(ends)}`);
  const held = await heldAmounts(em);
  if (JSON.stringify(held) !== JSON.stringify(NOTHING_HELD)) found(chaos, `at the end something is held: ${JSON.stringify(held)}`);
}

/**
 * Several dispatchers, clients, workers and an operator at once on one database, by chance from a seed, while every promise is sampled.
 * Which of them comes first is up to the machine, so a seed repeats the choices, not the whole run.
 */
export async function runChaos(db: TestDatabase, { seed, floor, rewrite = (sql) => sql }: ChaosOptions): Promise<ChaosReport> {
  const orm = await createOrm({ url: db.url, pool_max: 16, application_name: 'chaos' });
  const em = () => rewriting(orm.em.fork() as Em, rewrite);
  const users = await makeChaosWorld(db.em);
  const chaos: Chaos = { em, users, known: [], tasks: [], findings: [], tally: new Map(), over: false };
  try {
    const actors = Object.entries(ACTORS).map(([who, actions], i) => act(chaos, who, { actions, random: randomFrom(seed * 1000 + i) }));
    await Promise.all([watch(chaos, orm.em.fork() as Em, floor), ...actors]);
    if (chaos.findings.length === 0) await attempt(chaos, 'settling', () => settle(chaos));
    if (chaos.findings.length === 0) await checkEnd(chaos, orm.em.fork() as Em);
  } finally {
    await orm.close(true);
  }
  return { findings: [...new Set(chaos.findings)], tally: Object.fromEntries(chaos.tally) };
}
