import { EngineError } from '../core/errors.ts';
import type { Em } from '../entities/sql.ts';
import type { Submitting } from './submitting.ts';

/** Who acts. `rights`: see `User`. */
export type Actor = {
  id: number;
  username: string;
  role: 'admin' | 'operator' | 'user';
  rights: readonly string[];
  /** What acts in the user's name, such as `sla:nightly`; absent: the user. */
  acts_as?: string;
};

/**
 * What every command gets: the database, who acts, and the request it belongs to (null outside a request). `submitting`: what a process that submits much
 * shares between its requests. `lost_after_s`: after so long without a sign of life a worker does not count, 60 unless told otherwise.
 */
export type CommandContext = { em: Em; actor: Actor; request_id: string | null; submitting?: Submitting; lost_after_s?: number };

/** The actor as history and audit rows spell it. */
export const actorName = (actor: Pick<Actor, 'username' | 'acts_as'>): string => actor.acts_as ?? `user:${actor.username}`;

/** True for administrators and for those granted the right. */
export const hasRight = (actor: Pick<Actor, 'role' | 'rights'>, right: string): boolean =>
  actor.role === 'admin' || actor.rights.includes(right);

/** @throws EngineError forbidden: a filter by another user's name, from one who sees only their own tasks */
export function refuseOthersName(actor: Actor, username: string | undefined): void {
  if (username === undefined || seesAll(actor) || username === actor.username) return;
  throw new EngineError('forbidden', 'user: other users’ tasks are for operators');
}

/** True when the actor may see and change everybody's tasks. */
export const seesAll = (actor: Actor): boolean => actor.role !== 'user';

/**
 * A template's defaults run with the rights of whoever submits it, so writing one takes the right that submitting takes.
 * @throws EngineError forbidden
 */
export function requireEngineRight(actor: Actor, engine: { kind: string; right: string | null }): void {
  if (engine.right === null || hasRight(actor, engine.right)) return;
  const detail = `templates of engine "${engine.kind}" take the right "${engine.right}", which user "${actor.username}" lacks`;
  throw new EngineError('forbidden', detail);
}
