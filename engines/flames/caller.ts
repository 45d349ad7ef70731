import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Agent } from 'undici';
import { type Failure, failed, type HttpAnswer, type Reply } from '../../core/flames/chat.ts';
import { backoffSeconds } from '../../core/retry.ts';
import { isOutboundRefusal } from '../outbound-guard.ts';
import { outboundRequest } from '../outbound-request.ts';
import type { Endpoint } from './endpoint.ts';
import { Gate } from './gate.ts';
import type { CallSignals } from './lanes.ts';

/** Longer answers are no answers. */
const MOST_BYTES = 524_288;
const BACKOFF = { max_attempts: 0, initial_s: 0.5, factor: 2, max_s: 30, jitter: 0.5, codes: null };

/** `concurrency`: calls to one origin at once. */
export type CallerOptions = {
  agent: Agent;
  signals: Pick<CallSignals, 'starting' | 'signal'>;
  concurrency: number;
  max_retries: number;
  timeout_s: number;
};

/** What is asked, and how an answer is read. */
export type Question = { endpoint: Endpoint; body: string; read(answer: HttpAnswer, now: number): Reply };

/** `attempts`: requests sent; `latency_ms`: of the last one. */
export type Called = { reply: Reply; attempts: number; latency_ms: number };

/** Everything that an answer depends on, and whose it is, as one name. */
export const cacheKey = (owner: { user_id: number; epoch: number }, url: string, body: string): string =>
  createHash('sha256')
    .update(JSON.stringify([owner.user_id, owner.epoch, url, body]))
    .digest('hex');

/** The system's code of a network failure, also where it is wrapped. */
function networkCode(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: unknown };
  return code ?? (cause ? networkCode(cause) : 'network failure');
}

/** Asks endpoints under their pace, and again where that may help. */
export class Caller {
  private readonly options: CallerOptions;
  private readonly gates = new Map<string, Gate>();
  /** Requests sent so far. */
  sent = 0;
  /** Answers "too many requests" so far. */
  limited = 0;

  constructor(options: CallerOptions) {
    this.options = options;
  }

  /** @throws the reason of a signal that keeps the call from beginning, or breaks it off */
  async ask(question: Question): Promise<Called> {
    for (let attempts = 1; ; attempts += 1) {
      const { reply, latency_ms } = await this.once(question);
      if (reply.kind !== 'failed' || !reply.again || attempts > this.options.max_retries) return { reply, attempts, latency_ms };
      await this.rest(reply, attempts);
    }
  }

  /** Where the endpoint said how long, its gate knows; else it is left alone for longer each time. */
  private async rest({ wait_ms }: Failure, attempts: number): Promise<void> {
    if (wait_ms !== null) return;
    await pause(1_000 * backoffSeconds(BACKOFF, attempts, Math.random()), undefined, { signal: this.options.signals.starting });
  }

  private async once(question: Question): Promise<{ reply: Reply; latency_ms: number }> {
    const gate = this.gateOf(question.endpoint.origin);
    const sent_at = await gate.enter(this.options.signals.starting);
    this.sent += 1;
    let reply: Reply = failed('the call was broken off');
    try {
      reply = await this.exchange(question);
    } finally {
      const refused = reply.kind === 'failed' && (reply.limited || reply.wait_ms !== null) ? { wait_ms: reply.wait_ms } : null;
      if (reply.kind === 'failed' && reply.limited) this.limited += 1;
      gate.leave(sent_at, refused);
    }
    return { reply, latency_ms: Math.round(performance.now() - sent_at) };
  }

  private gateOf(origin: string): Gate {
    const known = this.gates.get(origin) ?? new Gate(this.options.concurrency);
    this.gates.set(origin, known);
    return known;
  }

  /** A request without an answer is a reply too; only an abort of the whole run is thrown. */
  private async exchange({ endpoint, body, read }: Question): Promise<Reply> {
    const { agent, signals, timeout_s } = this.options;
    const { signal } = signals;
    const timeout = AbortSignal.timeout(timeout_s * 1_000);
    const limits = { max_response_bytes: MOST_BYTES, max_redirects: 0 };
    try {
      const request = {
        method: 'POST',
        url: endpoint.url,
        headers: endpoint.headers,
        body,
        signal: AbortSignal.any([signal, timeout]),
        ...limits,
      };
      const answer = await outboundRequest(agent, request);
      if (answer.truncated) return failed(`the answer is longer than ${MOST_BYTES} bytes`);
      return read({ status: answer.status, headers: answer.headers, text: answer.body.toString('utf8') }, Date.now());
    } catch (cause) {
      signal.throwIfAborted();
      if (isOutboundRefusal(cause)) return failed(cause.message, { fatal: true });
      if (timeout.aborted) return failed(`no answer within ${timeout_s} s`, { again: true });
      return failed(`no answer: ${networkCode(cause)}`, { again: true });
    }
  }
}
