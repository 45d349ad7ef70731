import { setTimeout as pause } from 'node:timers/promises';
import type { Em } from '../../../entities/sql.ts';
import type { Random } from '../chaos/random.ts';

/** Thrown in the place of a statement: the process of this actor is killed here. */
export class Killed extends Error {}

/** A statement, or a commit, that waits for its turn. */
type Step = { actor: string; go: (how: 'on' | 'killed') => void };

/** What is sent may wait for a lock; after so long the others go on. */
const BLOCKED_MS = 12;

/**
 * Lets statements of several actors pass one at a time, in an order that a seed decides: also between the statements of one transaction, so that locks are held
 * while others come. A statement that waits for a lock does not hold up the rest.
 */
export class Turns {
  private readonly random: Random;
  private readonly steps: Step[] = [];
  private readonly kill_rate: number;
  private readonly moved = new Set<() => void>();
  readonly trace: string[] = [];

  constructor(random: Random, kill_rate: number) {
    this.random = random;
    this.kill_rate = kill_rate;
  }

  /** Actors whose next statement waits for its turn. */
  waiting(): string[] {
    return this.steps.map(({ actor }) => actor);
  }

  /** An entity manager whose statements and commits wait for their turns. */
  gated(em: Em, actor: string): Em {
    const kysely = () =>
      new Proxy(em.getKysely(), {
        get: (target, name) => {
          if (name !== 'executeQuery') return Reflect.get(target, name, target);
          return async (statement: unknown) => {
            await this.turn(actor);
            return await target.executeQuery(statement as never);
          };
        },
      });
    const transactional = (work: (tx: Em) => Promise<unknown>, options?: object) =>
      em.transactional(async (tx) => {
        const result = await work(this.gated(tx as Em, actor));
        await this.turn(actor);
        return result;
      }, options as never);
    return new Proxy(em, {
      get: (target, name) => {
        if (name === 'getKysely') return kysely;
        if (name === 'transactional') return transactional;
        if (name === 'fork') return () => this.gated(target.fork() as Em, actor);
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** Lets one waiting step of the actor pass, or kills the actor there; resolves when something has moved since, or after a moment. */
  async release(actor: string): Promise<void> {
    const at = this.steps.findIndex((step) => step.actor === actor);
    const [step] = this.steps.splice(at, 1);
    const how = this.random.chance(this.kill_rate) ? 'killed' : 'on';
    this.trace.push(how === 'on' ? actor : `${actor} is killed`);
    const moved = this.untilMoved();
    step?.go(how);
    await moved;
  }

  /** Something has happened that the driver waits for: a step waits, or a command has ended. */
  move(): void {
    for (const resolve of this.moved) resolve();
    this.moved.clear();
  }

  async untilMoved(): Promise<void> {
    let resolve = (): void => undefined;
    const moved = new Promise<void>((done) => {
      resolve = done;
    });
    this.moved.add(resolve);
    await Promise.race([moved, pause(BLOCKED_MS)]);
    this.moved.delete(resolve);
  }

  private async turn(actor: string): Promise<void> {
    const how = await new Promise<'on' | 'killed'>((go) => {
      this.steps.push({ actor, go });
      this.move();
    });
    if (how === 'killed') throw new Killed(`${actor} is killed`);
  }
}
