import { admit } from '../commands/admit.ts';
import { finishInstances } from '../commands/finish-instances.ts';
import { firstInLineOf, HEADS_OF_GROUPS } from '../commands/snapshot.ts';
import { completed } from '../core/outcome.ts';
import { type Em, query, queryOnce } from '../entities/sql.ts';
import { type Block, measureBlock } from './block.ts';
import { type Figure, makeFigure } from './figure.ts';
import { noiseReason } from './noise.ts';
import { KINDS, type Kind, makePassWorld, type PassWorld, refill } from './pass-world.ts';
import { median, spreadOf } from './percentiles.ts';
import type { Settings } from './settings.ts';
import type { Sides } from './sides.ts';

/**
 * Milliseconds of one admission pass. `idle`: starts nothing; `refill`: starts what one end made room for; `recorded`: also writes down why the head of each need does
 * not start, as a dispatcher does once a second: that goes with the needs, not with the tasks.
 */
type Cost = { idle: number; refill: number; recorded: number };

/** Of each number of waiting tasks the middle cost of its passes in one block. */
type Costs = Map<number, Cost>;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function passOn(em: Em): Promise<Cost> {
  const idle = await timed(() => admit(em, { record: false }));
  const live = await query<{ runid: string }>(em, `select runid from grants where released_at is null order by runid limit 1`);
  const items = live.map(({ runid }) => ({ runid, lease_epoch: null, outcome: completed({}) }));
  await finishInstances(em, items, 'bench');
  const refill = await timed(() => admit(em, { record: false }));
  return { idle, refill, recorded: await timed(() => admit(em, { record: true })) };
}

/** Passes of all worlds in turns, so that whatever the machine does meets all of them. */
async function passes(worlds: readonly PassWorld[], { begin, rounds }: { begin: number; rounds: number }): Promise<Costs> {
  const costs = new Map<number, Cost[]>(worlds.map(({ waiting }) => [waiting, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const world of worlds) {
      costs.get(world.waiting)?.push(await passOn(world.orm.em.fork() as Em));
      await refill(world, begin + round);
    }
  }
  const middle = (all: readonly Cost[], what: keyof Cost): number => median(all.map((cost) => cost[what]));
  return new Map(
    [...costs].map(([waiting, all]) => [
      waiting,
      { idle: middle(all, 'idle'), refill: middle(all, 'refill'), recorded: middle(all, 'recorded') },
    ]),
  );
}

/** The statements that a pass reads tasks with: the first of each queue, and the head of each need where those are not enough. */
const PLANS: Record<string, [string, unknown[]]> = {
  'the first tasks of each queue': [firstInLineOf(32), [JSON.stringify([{ queue: 'q', pool: 'p', cpu: 1.5, memory: 1_000 }])]],
  'the head of each need, where those are not enough': [HEADS_OF_GROUPS, [['q']]],
};

async function printPlans({ waiting, kind, orm }: PassWorld): Promise<void> {
  for (const [name, [sql, parameters]] of Object.entries(PLANS)) {
    const em = orm.em.fork() as Em;
    const rows = await queryOnce<Record<string, string>>(em, `explain (analyze, costs off, timing off, buffers off) ${sql}`, parameters);
    const plan = rows.map((row) => `  ${row['QUERY PLAN']}`).join('\n');
    process.stdout.write(`plan of ${name}, with ${waiting} ${kind} tasks:\n${plan}\n`);
  }
}

type Judged = { kind: Kind; blocks: readonly Block<Costs>[]; refused: string | null; worlds: readonly PassWorld[] };

/** The cost with the most waiting tasks over that with the fewest. */
function figureOf(what: keyof Cost, { kind, blocks, refused, worlds }: Judged): Figure {
  const [least, most] = [worlds[0] as PassWorld, worlds.at(-1) as PassWorld];
  const costOf = ({ value }: Block<Costs>, { waiting }: PassWorld): number => value.get(waiting)?.[what] ?? Number.NaN;
  const ms = worlds.map((world) => `${median(blocks.map((block) => costOf(block, world))).toFixed(2)} ms with ${world.waiting}`);
  const note = `${ms.join(', ')} (there ${most.candidates} candidates, ${most.needs} needs, ${most.keys} keys)`;
  const bar = what === 'recorded' ? null : ({ kind: 'at_most', limit: 2 } as const);
  const spread = spreadOf(blocks.map((block) => costOf(block, most) / costOf(block, least)));
  const name = `pass that ${{ idle: 'starts nothing', refill: 'starts one', recorded: 'records' }[what]}, ${kind} tasks`;
  return makeFigure({ name, unit: '×', spread, bar, refused, note });
}

type Measured = { figures: Figure[]; blocks: Block<Record<string, Cost>>[] };

async function measureKind({ roles, servers }: Sides, { settings, kind }: { settings: Settings; kind: Kind }): Promise<Measured> {
  const worlds: PassWorld[] = [];
  try {
    for (const waiting of settings.waiting) worlds.push(await makePassWorld(servers.database_url, { kind, waiting }));
    const [quiet, noisy]: [Block<Costs>[], Block<Costs>[]] = [[], []];
    let reason: string | null = null;
    await passes(worlds, { begin: 0, rounds: settings.passes });
    for (let tries = 0; quiet.length < settings.blocks && tries < 2 * settings.blocks; tries += 1) {
      const block = await measureBlock(roles, () => passes(worlds, { begin: (tries + 1) * settings.passes, rounds: settings.passes }));
      const noise = noiseReason([block]);
      (noise ? noisy : quiet).push(block);
      reason = noise ?? reason;
    }
    await printPlans(worlds.at(-1) as PassWorld);
    const refused = quiet.length < settings.blocks ? reason : null;
    const blocks = refused ? [...quiet, ...noisy] : quiet;
    const judged: Judged = { kind, blocks, refused, worlds };
    const figures = (['idle', 'refill', 'recorded'] as const).map((what) => figureOf(what, judged));
    return { figures, blocks: blocks.map((block) => ({ ...block, value: Object.fromEntries(block.value) })) };
  } finally {
    for (const { orm } of worlds) await orm.close(true);
  }
}

/** What an admission pass costs with few and with many waiting tasks, each in a database of its own beside the other ones. */
export async function measurePasses(sides: Sides, settings: Settings, say: (line: string) => void): Promise<Measured> {
  const measured: Measured[] = [];
  for (const kind of KINDS) {
    say(`passes with ${settings.waiting.join(', ')} ${kind} tasks waiting`);
    measured.push(await measureKind(sides, { settings, kind }));
  }
  return { figures: measured.flatMap(({ figures }) => figures), blocks: measured.flatMap(({ blocks }) => blocks) };
}
