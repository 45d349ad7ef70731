import { createHmac } from 'node:crypto';
import type { Agent } from 'undici';
import { type Attempt, retryAfterS } from '../core/delivery.ts';
import { EngineError } from '../core/errors.ts';
import { isOutboundRefusal } from './outbound-guard.ts';
import { outboundRequest } from './outbound-request.ts';

/** `id` stays the same for every attempt; `keys`: one, or two while the receiver changes over. */
export type Webhook = { url: string; id: string; body: string; keys: readonly Buffer[]; at: Date; timeout_ms: number };

const [FEWEST_BYTES, MOST_BYTES] = [24, 64];
/** The answer's beginning is kept for whoever looks into a failure. */
const ANSWER_BYTES = 1_024;

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

/** The three headers of Standard Webhooks. @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export function webhookHeaders({ id, at, body, keys }: Pick<Webhook, 'id' | 'at' | 'body' | 'keys'>): Record<string, string> {
  const timestamp = Math.floor(at.getTime() / 1000);
  const sign = (key: Buffer): string => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': keys.map(sign).join(' ') };
}

/**
 * Sends one attempt through the outbound guard. Only an answer of 2xx within the time limit counts; a redirect does not. 410 means: stop sending.
 * Never throws for what the other side does.
 */
export async function sendWebhook(agent: Agent, webhook: Webhook): Promise<Attempt> {
  const headers = { 'content-type': 'application/json', 'user-agent': 'task-orchestrator', accept: '*/*', ...webhookHeaders(webhook) };
  try {
    const answer = await outboundRequest(agent, {
      method: 'POST',
      url: webhook.url,
      headers,
      body: webhook.body,
      signal: AbortSignal.timeout(webhook.timeout_ms),
      max_response_bytes: ANSWER_BYTES,
      max_redirects: 0,
    });
    return judge(answer, webhook.at.getTime());
  } catch (error) {
    return unanswered(error);
  }
}

function judge({ status, headers }: { status: number; headers: Record<string, string> }, now: number): Attempt {
  if (status >= 200 && status < 300) return { result: 'delivered', code: `http_${status}`, detail: null, retry_after_s: null };
  const result = status === 410 ? 'gone' : 'again';
  return { result, code: `http_${status}`, detail: `answered ${status}`, retry_after_s: retryAfterS(headers['retry-after'], now) };
}

function unanswered(error: unknown): Attempt {
  const detail = error instanceof Error ? error.message.slice(0, 500) : String(error);
  if (isOutboundRefusal(error)) return { result: 'gone', code: 'outbound_refused', detail, retry_after_s: null };
  const timed_out = error instanceof Error && error.name === 'TimeoutError';
  return { result: 'again', code: timed_out ? 'timed_out' : 'no_answer', detail, retry_after_s: null };
}
