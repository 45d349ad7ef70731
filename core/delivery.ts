/** What is told, whatever the way. `type` as in `sla.breach`; `data` is for programs, `title` and `text` are for people. */
export type Message = { type: string; title: string; text: string; data: Record<string, unknown> };

/** Where a webhook goes: `secrets` names one signing key, or two while it is changed. */
export type WebhookTarget = { url: string; secrets: string[] };
/** `accepted`: those of `to` for whom the server has taken the message already. */
export type EmailTarget = { to: string[]; accepted?: string[] };
export type DeliveryTarget = WebhookTarget | EmailTarget;

/**
 * How one attempt ended. `gone`: never again. `retry_after_s`: what the other side asked for, null: nothing. `blames`: the message alone, or the target, which others
 * wait for too. `accepted`: recipients who have it now, of this and earlier attempts.
 */
export type Attempt = {
  result: 'delivered' | 'again' | 'gone';
  code: string;
  detail: string | null;
  retry_after_s: number | null;
  blames: 'message' | 'target' | null;
  accepted?: string[];
};

const FIRST_MS = 1_000;
const LONGEST_MS = 300_000;
const LONGEST_WISH_MS = 3_600_000;

/** A delivery's clock: instants in ms. `random` in [0, 1) spreads attempts that failed together. */
export type DeliveryClock = { attempts: number; now: number; give_up_at: number; random: number };

/**
 * When a delivery that failed `attempts` times is tried again: after 1 s, doubling up to 5 minutes, or what the other side asked for if that is
 * longer (up to an hour). The last attempt is at `give_up_at`.
 * @returns an instant in ms; null: given up
 */
export function nextAttemptAt({ attempts, now, give_up_at, random }: DeliveryClock, retry_after_s: number | null): number | null {
  if (now >= give_up_at) return null;
  const backoff = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, attempts - 1)) * (0.8 + 0.4 * random);
  const wish = Math.min(LONGEST_WISH_MS, (retry_after_s ?? 0) * 1000);
  return Math.min(give_up_at, now + Math.max(backoff, wish));
}

/** After so many failures in a row that are its own a target is left alone for a while, and then tried with one message at a time. */
export const ILL_AFTER = 5;
const LONGEST_PAUSE_S = 60;

/**
 * For how many seconds nothing is sent to a target that has failed `failures` times in a row, this one included: as long as it asks for, up to an hour; from the fifth
 * failure on 1 s, doubling up to a minute. 0: not at all.
 */
export function lanePauseS(failures: number, retry_after_s: number | null): number {
  const wish = Math.min(LONGEST_WISH_MS / 1000, retry_after_s ?? 0);
  const rest = failures < ILL_AFTER ? 0 : Math.min(LONGEST_PAUSE_S, 2 ** Math.min(10, failures - ILL_AFTER));
  return Math.max(wish, rest);
}

/** The seconds that a `Retry-After` header asks for, given as seconds or as an HTTP date; null: nothing that can be understood. */
export function retryAfterS(header: string | undefined, now: number): number | null {
  if (header === undefined) return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, (at - now) / 1000);
}
