import type { Response } from 'express';
import type { Actor } from '../commands/context.ts';
import { EngineError } from '../core/errors.ts';
import type { Authenticator } from './authenticate.ts';
import { localsOf } from './request-log.ts';

/** How often a stream's key is looked at again, in ms. */
const RECHECK_MS = 2_000;

type Watch = { res: Response; authenticator: Authenticator; stopping: AbortSignal };

/** Whether the caller is refused by now, or sees other things than at the beginning. While the database is away the stream stays. */
async function hasLostRights(authenticator: Authenticator, header: string | undefined, before: Actor | undefined): Promise<boolean> {
  try {
    return (await authenticator.authenticate(header)).role !== before?.role;
  } catch (error) {
    return error instanceof EngineError && error.code === 'unauthenticated';
  }
}

/** Aborted when the client has gone, when the server stops, and when the caller's key or role is no longer what it was: streams last for days. */
export function streamSignal({ res, authenticator, stopping }: Watch): AbortSignal {
  const ended = new AbortController();
  const check = async () => {
    if (await hasLostRights(authenticator, res.req.headers.authorization, localsOf(res).actor)) ended.abort();
  };
  const timer = setInterval(() => void check(), RECHECK_MS);
  res.once('close', () => {
    clearInterval(timer);
    ended.abort();
  });
  return AbortSignal.any([ended.signal, stopping]);
}
