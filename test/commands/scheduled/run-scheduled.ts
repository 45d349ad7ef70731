import { EngineError } from '../../../core/errors.ts';
import { createOrm } from '../../../entities/orm.ts';
import type { Em } from '../../../entities/sql.ts';
import type { TestDatabase } from '../../support/database.ts';
import { ACTIONS } from '../chaos/actors.ts';
import { type Random, randomFrom } from '../chaos/random.ts';
import { ANSWERS, checkEnd, settle } from '../chaos/run-chaos.ts';
import { sample } from '../chaos/sampler.ts';
import { type Action, type Chaos, count, found, makeChaosWorld } from '../chaos/world.ts';
import { Killed, Turns } from './turns.ts';

/** `commands`: how many are carried out in all. `findings` empty: every promise held after each of them and at the end. `trace`: who went when. */
export type ScheduledRun = { findings: string[]; tally: Record<string, number>; trace: string[] };

const { dispatch, release, send, sendAfter, cancel, cancelSome, retry, control, sweep, take, finish, heartbeat, operate } = ACTIONS;

/** What each kind of actor does. An end may be delivered twice, late, or for somebody else's instance; so may a claim. */
const PARTS: Record<string, Action[]> = {
  dispatcher: [dispatch, dispatch, dispatch, release],
  client: [send, send, cancel, cancel, retry, sendAfter, control, cancelSome],
  worker: [take, take, finish, finish, heartbeat],
  operator: [operate, sweep],
};

const KILL_RATE = 0.01;

type Actor = { name: string; actions: Action[]; busy: boolean };

const castOf = (random: Random): Actor[] =>
  [...Array.from({ length: random.between(2, 4) }, () => 'dispatcher'), ...['client', 'client', 'worker', 'worker', 'operator']].map(
    (part, n) => ({ name: `${part} ${n}`, actions: PARTS[part] as Action[], busy: false }),
  );

/**
 * Commands of 2 to 4 dispatchers, clients, workers and an operator on one database, in which a seed decides which command is begun next, whose next statement or
 * commit passes, and who is killed before which. After each command every promise is checked. Only waiting for locks is up to the machine.
 */
export async function runScheduled(db: TestDatabase, { seed, commands }: { seed: number; commands: number }): Promise<ScheduledRun> {
  const random = randomFrom(seed);
  const orm = await createOrm({ url: db.url, pool_max: 20, application_name: 'scheduled' });
  const users = await makeChaosWorld(db.em as Em);
  const free = () => orm.em.fork() as Em;
  const chaos: Chaos = { em: free, users, known: [], tasks: [], findings: [], tally: new Map(), over: false };
  const turns = new Turns(random, KILL_RATE);
  try {
    await play({ chaos, turns, random, cast: castOf(random) }, commands);
    if (chaos.findings.length === 0) await settle(chaos);
    if (chaos.findings.length === 0) await checkEnd(chaos, free());
  } finally {
    await orm.close(true);
  }
  return { findings: [...new Set(chaos.findings)], tally: Object.fromEntries(chaos.tally), trace: turns.trace };
}

type Stage = { chaos: Chaos; turns: Turns; random: Random; cast: Actor[] };

async function play(stage: Stage, commands: number): Promise<void> {
  const { chaos, turns, random, cast } = stage;
  let left = commands;
  const under_way = new Set<Promise<void>>();
  while (chaos.findings.length === 0 && (left > 0 || under_way.size > 0)) {
    const waiting = turns.waiting();
    const idle = left > 0 ? cast.filter(({ busy }) => !busy) : [];
    const chosen = random.pick([...waiting, ...idle.map(({ name }) => name)]);
    if (chosen === undefined) await turns.untilMoved();
    else if (waiting.includes(chosen)) await turns.release(chosen);
    else {
      left -= 1;
      const command = carryOut(stage, idle.find(({ name }) => name === chosen) as Actor).finally(() => under_way.delete(command));
      under_way.add(command);
    }
  }
  await drain(turns, under_way);
}

/** Lets whatever is under way end, so that no connection is left in the middle of something. */
async function drain(turns: Turns, under_way: ReadonlySet<Promise<void>>): Promise<void> {
  while (under_way.size > 0) {
    const [next] = turns.waiting();
    if (next === undefined) await turns.untilMoved();
    else await turns.release(next);
  }
}

async function carryOut({ chaos, turns, random }: Stage, actor: Actor): Promise<void> {
  actor.busy = true;
  const own: Chaos = { ...chaos, em: () => turns.gated(chaos.em(), actor.name) };
  try {
    await random.pick(actor.actions)?.(own, random);
  } catch (error) {
    note(chaos, actor.name, error);
  }
  for (const finding of await sample(chaos.em())) found(chaos, `after a command of ${actor.name}: ${finding}`);
  count(chaos, 'commands');
  actor.busy = false;
  turns.move();
}

function note(chaos: Chaos, who: string, error: unknown): void {
  const { code, message } = error as { code?: string; message: string };
  if (error instanceof Killed) count(chaos, 'killed');
  else if (error instanceof EngineError && ANSWERS.has(error.code)) count(chaos, 'refused');
  else found(chaos, `${who}: ${code ?? ''} ${message}`);
}
