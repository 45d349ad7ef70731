import { createHmac } from 'node:crypto';
import type { Agent } from 'undici';
import { EngineError } from '../core/errors.ts';
import { outboundRequest } from './outbound-request.ts';

/** `id` stays the same at every attempt; `keys`: texts of the secrets that sign it. */
export type AlertWebhook = { url: string; id: string; body: string; keys: readonly string[]; at: Date };

const TIMEOUT_MS = 15_000;
const MOST_ANSWER_BYTES = 16_384;
const [FEWEST_BYTES, MOST_BYTES] = [24, 64];

/** A signing key: base64, with or without the prefix `whsec_`. @throws EngineError invalid_input */
function signingKey(secret: string): Buffer {
  const text = secret.trim().replace(/^whsec_/, '');
  const key = Buffer.from(text, 'base64');
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(text) && key.length >= FEWEST_BYTES && key.length <= MOST_BYTES) return key;
  throw new EngineError('invalid_input', `the signing secret: expected "whsec_" and base64 of ${FEWEST_BYTES} to ${MOST_BYTES} bytes`);
}

/** The headers of Standard Webhooks. @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export function signedHeaders({ id, body, keys, at }: Omit<AlertWebhook, 'url'>): Record<string, string> {
  const seconds = Math.floor(at.getTime() / 1_000);
  const sign = (secret: string) => `v1,${createHmac('sha256', signingKey(secret)).update(`${id}.${seconds}.${body}`).digest('base64')}`;
  const signature: Record<string, string> = keys.length === 0 ? {} : { 'webhook-signature': keys.map(sign).join(' ') };
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), ...signature };
}

/**
 * Posts an alert through the outbound guard, once. 2xx within 15 s means that it was taken; redirects are not followed.
 * @throws EngineError unavailable: any other answer; invalid_input: a secret that cannot sign; what the guard and the network say
 */
export async function postAlert(agent: Agent, webhook: AlertWebhook): Promise<void> {
  const headers = { 'content-type': 'application/json', 'user-agent': 'task-orchestrator', ...signedHeaders(webhook) };
  const { status } = await outboundRequest(agent, {
    method: 'POST',
    url: webhook.url,
    headers,
    body: webhook.body,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    max_response_bytes: MOST_ANSWER_BYTES,
    max_redirects: 0,
  });
  if (status < 200 || status > 299) throw new EngineError('unavailable', `the receiver answered ${status}`);
}
