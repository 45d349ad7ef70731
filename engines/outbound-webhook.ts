import { createHmac } from 'node:crypto';
import net from 'node:net';
import { type Agent, request } from 'undici';
import { type Attempt, retryAfterS } from '../core/delivery.ts';
import { EngineError } from '../core/errors.ts';
import { isOutboundRefusal, parseOutboundUrl } from './outbound-guard.ts';

/** `id` stays the same for every attempt; `keys`: one, or two while the receiver changes over. */
export type Webhook = { url: string; id: string; body: string; keys: readonly Buffer[]; at: Date; timeout_ms: number };

const [FEWEST_BYTES, MOST_BYTES] = [24, 64];
/** So much of an answer is read, for so long, that the connection can be used again; nothing of it is kept. */
const [MOST_ANSWER_BYTES, ANSWER_MS] = [65_536, 2_000];

/**
 * A signing key from the text of a secret: base64, with or without the prefix `whsec_`, of 24 to 64 bytes.
 * @throws EngineError invalid_input
 */
export function webhookKey(secret: string): Buffer {
  const text = secret.trim().replace(/^whsec_/, '');
  const key = Buffer.from(text, 'base64');
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(text) && key.length >= FEWEST_BYTES && key.length <= MOST_BYTES) return key;
  throw new EngineError('invalid_input', `webhook secret: expected "whsec_" and base64 of ${FEWEST_BYTES} to ${MOST_BYTES} bytes`);
}

/** The three headers of Standard Webhooks; without a key there is nothing to sign with, and no signature. @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export function webhookHeaders({ id, at, body, keys }: Pick<Webhook, 'id' | 'at' | 'body' | 'keys'>): Record<string, string> {
  const timestamp = Math.floor(at.getTime() / 1000);
  const sign = (key: Buffer): string => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  const signature: Record<string, string> = keys.length === 0 ? {} : { 'webhook-signature': keys.map(sign).join(' ') };
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), ...signature };
}

/**
 * Sends one attempt through the outbound guard. The status within the time limit is the verdict, whatever becomes of the body: 2xx is delivered, a redirect is not followed
 * and not delivered, 410 means: stop sending. Never throws for what the other side does.
 */
export async function sendWebhook(agent: Agent, webhook: Webhook): Promise<Attempt> {
  const { url, body, timeout_ms, at } = webhook;
  const headers = { 'content-type': 'application/json', 'user-agent': 'task-orchestrator', accept: '*/*', ...webhookHeaders(webhook) };
  try {
    const signal = AbortSignal.timeout(timeout_ms);
    const answer = await request(parseOutboundUrl(url), { method: 'POST', headers, body, signal, dispatcher: agent });
    await answer.body.dump({ limit: MOST_ANSWER_BYTES, signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => undefined);
    const header = answer.headers['retry-after'];
    return judge(answer.statusCode, retryAfterS(Array.isArray(header) ? header[0] : header, at.getTime()));
  } catch (error) {
    return unanswered(error, url);
  }
}

/** Only a server that is overloaded or broken is to blame; another message may please one that refused this one. */
function judge(status: number, retry_after_s: number | null): Attempt {
  const code = `http_${status}`;
  if (status >= 200 && status < 300) return { result: 'delivered', code, detail: null, retry_after_s: null, blames: null };
  const detail = `answered ${status}`;
  if (status === 410) return { result: 'gone', code, detail, retry_after_s: null, blames: 'message' };
  return { result: 'again', code, detail, retry_after_s, blames: status >= 500 || status === 429 ? 'target' : 'message' };
}

/** A literal address that is refused stays so; what a name stands for may be put right. */
function unanswered(error: unknown, url: string): Attempt {
  const detail = textOf(error).replaceAll('\0', '').toWellFormed().slice(0, 500);
  const again = { result: 'again', detail, retry_after_s: null, blames: 'target' } as const;
  if (isOutboundRefusal(error)) {
    const literal = net.isIP(new URL(url).hostname.replace(/^\[|\]$/g, '')) !== 0;
    return { ...again, code: 'outbound_refused', result: literal ? 'gone' : 'again' };
  }
  const timed_out = error instanceof Error && error.name === 'TimeoutError';
  return { ...again, code: timed_out ? 'timed_out' : 'no_answer' };
}

/** Where several addresses were tried, the first one's failure stands for all. */
function textOf(error: unknown): string {
  const { message, code, errors } = error as { message?: string; code?: string; errors?: unknown[] };
  if (!message && errors?.[0]) return textOf(errors[0]);
  return message || code || 'the connection failed';
}
