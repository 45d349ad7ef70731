import type { Agent } from 'undici';
import type { Config } from '../../config/env.ts';
import { EngineError } from '../../core/errors.ts';
import { parseOutboundAllow } from '../../core/outbound.ts';
import { ended, type Outcome } from '../../core/outcome.ts';
import { defineEngine, type EngineContext } from '../define-engine.ts';
import { maskText } from '../mask.ts';
import { createOutboundAgent, isOutboundRefusal } from '../outbound-guard.ts';
import { type OutboundResponse, outboundRequest } from '../outbound-request.ts';
import { resolveSecrets } from '../secret-values.ts';
import { stoppedOutcome } from '../stopped.ts';
import { judgeAnswer, toResult } from './answer.ts';
import { HttpParameters, HttpResult, isHeaderValue } from './parameters.ts';

type Prepared = {
  signal: AbortSignal;
  headers: Record<string, string>;
  secret_headers: Set<string>;
  secrets: string[];
  body: string | undefined;
};

const MAX_REDIRECTS = 5;
const elapsedMs = (since: number): number => Math.round((performance.now() - since) * 10) / 10;

/** URL for the log: a query may hold what is nobody's business. */
function shownUrl(text: string): string {
  const url = new URL(text);
  return `${url.origin}${url.pathname}${url.search ? '?…' : ''}`;
}

function bodyOf(parameters: HttpParameters): { body: string | undefined; content_type: string | null } {
  const { body } = parameters;
  if (body === undefined || body === null) return { body: undefined, content_type: null };
  return typeof body === 'string'
    ? { body, content_type: 'text/plain; charset=utf-8' }
    : { body: JSON.stringify(body), content_type: 'application/json' };
}

async function prepare(parameters: HttpParameters, context: EngineContext): Promise<Prepared> {
  const given = Object.fromEntries(Object.entries(parameters.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const { values, secrets, secret_names } = await resolveSecrets(given, context, new URL(parameters.url).hostname);
  const bad = Object.entries(values).find(([, value]) => !isHeaderValue(value));
  if (bad) throw new EngineError('invalid_input', `header "${bad[0]}": its secret is not a valid header value (one line of Latin-1 text)`);
  const { body, content_type } = bodyOf(parameters);
  const { runid, attempt } = context.instance;
  const defaults = {
    accept: '*/*',
    'accept-encoding': 'identity',
    'user-agent': 'task-orchestrator',
    'idempotency-key': `${runid}:${attempt}`,
  };
  const headers = { ...defaults, ...(content_type ? { 'content-type': content_type } : {}), ...values };
  return { signal: context.signal, headers, secret_headers: secret_names, secrets, body };
}

/** The system's code of a network failure, also where several addresses were tried and where it is wrapped. */
function networkCode(error: unknown): string {
  const { code, errors, cause } = error as { code?: string; errors?: unknown[]; cause?: unknown };
  if (code) return code;
  if (errors?.[0]) return networkCode(errors[0]);
  return cause ? networkCode(cause) : 'unknown';
}

/** A request that got no answer is the task's failure, not this worker's: the retry policy decides. */
function noAnswer(error: unknown, url: string, secrets: readonly string[]): Outcome {
  const message = maskText((error as Error).message || networkCode(error), secrets);
  if (isOutboundRefusal(error)) return ended('failed', { code: 'outbound_refused', message, details: { ...error.details } });
  if (error instanceof EngineError) {
    const code = error.details.outbound === 'redirects' ? 'too_many_redirects' : error.code;
    return ended('failed', { code, message });
  }
  return ended('failed', { code: 'no_answer', message: `${shownUrl(url)}: ${message}`, details: { error: networkCode(error) } });
}

async function exchange(agent: Agent, parameters: HttpParameters, prepared: Prepared): Promise<OutboundResponse> {
  const { method, url, max_response_bytes } = parameters;
  const { headers, secret_headers, body, signal } = prepared;
  const max_redirects = parameters.follow_redirects ? MAX_REDIRECTS : 0;
  const options = { method, url, headers, secret_headers, signal, max_response_bytes, max_redirects };
  return await outboundRequest(agent, body === undefined ? options : { ...options, body });
}

function answerLine(response: OutboundResponse, result: HttpResult): string {
  const cut = response.truncated ? ' kept, more cut' : '';
  const via = response.redirects > 0 ? ` after ${response.redirects} redirects, from ${shownUrl(result.url)}` : '';
  return `< ${result.status} in ${result.duration_ms} ms, ${response.body.length} bytes${cut}${via}`;
}

async function run(agent: Agent, parameters: HttpParameters, context: EngineContext): Promise<Outcome> {
  if (context.signal.aborted) return stoppedOutcome(context);
  const prepared = await prepare(parameters, context);
  await context.log.system(`> ${parameters.method} ${maskText(shownUrl(parameters.url), prepared.secrets)}`);
  const started = performance.now();
  const answer = await exchange(agent, parameters, prepared).catch((error: unknown) => ({ error }));
  if (context.signal.aborted) return stoppedOutcome(context);
  if ('error' in answer) {
    const outcome = noAnswer(answer.error, parameters.url, prepared.secrets);
    await context.log.system(`! ${outcome.error?.message}`);
    return outcome;
  }
  const result = toResult(answer, elapsedMs(started), prepared.secrets);
  await context.log.system(answerLine(answer, result));
  return judgeAnswer(parameters, result);
}

/** Calls an HTTP service. Only public addresses, and those of OUTBOUND_ALLOW, are reached, by redirects too. */
export function createHttpEngine(config: Pick<Config, 'OUTBOUND_ALLOW'>) {
  const agent = createOutboundAgent(parseOutboundAllow(config.OUTBOUND_ALLOW));
  return defineEngine({
    kind: 'http',
    summary: 'Sends an HTTP request and checks its status',
    parameters: HttpParameters,
    result: HttpResult,
    on_worker_lost: 'new_instance',
    batchable: true,
    uses_folder: false,
    right: null,
    defaults: { cpu: 0.01, memory_mb: 16 },
    available: async () => ({ ok: true }),
    run: (parameters, context) => run(agent, parameters, context),
  });
}
