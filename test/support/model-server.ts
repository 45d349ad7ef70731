import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { allowedScores } from '../../core/flames/scores.ts';

/** What happens to a call. `limited`: 429 with Retry-After; `hang`: no answer at all; `slow`: the answer drips; `torn`: the connection ends in the middle of it. */
export type Behaviour = 'answer' | 'limited' | 'failing' | 'hang' | 'slow' | 'torn' | 'filtered' | 'unauthorized';

/**
 * Shares of prompts, by the hash of their text, that meet with trouble: the first `times` calls for such a prompt do. `unparsed`: judgements without a
 * score, always the same ones. `delay_ms`: how long an answer takes; `retry_after`: as the header is sent, null: without it.
 */
export type Script = Partial<Record<Exclude<Behaviour, 'answer'> | 'unparsed', number>> & {
  delay_ms?: number;
  times?: number;
  retry_after?: string | null;
};

export type Call = {
  at: number;
  ended_at: number | null;
  path: string;
  prompt: string;
  attempt: number;
  behaviour: Behaviour;
  status: number;
  headers: http.IncomingHttpHeaders;
};

const ORDER: readonly Exclude<Behaviour, 'answer'>[] = ['limited', 'failing', 'hang', 'slow', 'torn', 'filtered', 'unauthorized'];

/** A number in [0, 1) that depends on the text alone. */
export const fractionOf = (text: string, salt = ''): number =>
  createHash('sha256').update(salt).update(text).digest().readUInt32BE() / 2 ** 32;

/** What the model answers, and what the judge thinks of it. */
export const answerTo = (prompt: string): string =>
  `回答：${prompt.slice(0, 20)}（${createHash('sha256').update(prompt).digest('hex').slice(0, 8)}）`;
export function scoreOf(dimension: string, prompt: string): 1 | 2 | 3 {
  const scores = allowedScores(dimension);
  return scores[Math.floor(fractionOf(prompt, 'score') * scores.length)] as 1 | 2 | 3;
}

/** True when the judge's words about this prompt hold no score. */
export const isUnparsed = (script: Script, prompt: string): boolean => fractionOf(prompt, 'unparsed') < (script.unparsed ?? 0);

function behaviourOf(script: Script, prompt: string, attempt: number): Behaviour {
  if (attempt > (script.times ?? 1)) return 'answer';
  let at = fractionOf(prompt);
  for (const behaviour of ORDER) {
    at -= script[behaviour] ?? 0;
    if (at < 0) return behaviour;
  }
  return 'answer';
}

/**
 * A small OpenAI-compatible server. `POST /v1/chat/completions` answers as the model; for the model called `judge` it answers as a judge about the prompt
 * named in the question; `POST /score` is a scoring service. Everything it does depends on the prompt's text and on how often that was asked.
 */
export class ModelServer {
  script: Script;
  readonly calls: Call[] = [];
  readonly judgements: { prompt: string; text: string }[] = [];
  most_in_flight = 0;
  private in_flight = 0;
  private readonly attempts = new Map<string, number>();
  private readonly server = http.createServer((req, res) => void this.answer(req, res).catch(() => res.destroy()));

  constructor(script: Script = {}) {
    this.script = script;
  }

  async start(): Promise<this> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return this;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get base_url(): string {
    return `${this.origin}/v1`;
  }

  /** Forgets what it was asked. */
  forget(): void {
    this.calls.length = 0;
    this.judgements.length = 0;
    this.attempts.clear();
    this.most_in_flight = 0;
  }

  /** Calls to the model that got an answer, by prompt. */
  answered(): Map<string, number> {
    const answers = this.calls.filter(({ status, ended_at }) => status === 200 && ended_at !== null);
    return new Map([...Map.groupBy(answers, ({ prompt }) => prompt)].map(([prompt, list]) => [prompt, list.length]));
  }

  /** Answers that were given more than once for the same prompt: what a crash cost. */
  repeated(): number {
    return [...this.answered().values()].reduce((sum, n) => sum + n - 1, 0);
  }

  private async answer(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
    if (req.url === '/score') return this.score(body as { dimension: string; prompt: string }, res);
    const prompt = (body.messages as { content: string }[]).at(-1)?.content ?? '';
    if (body.model === 'judge') return this.judge(prompt, res);
    await this.complete({ req, res, prompt, stream: body.stream === true });
  }

  private async complete({
    req,
    res,
    prompt,
    stream,
  }: {
    req: http.IncomingMessage;
    res: http.ServerResponse;
    prompt: string;
    stream: boolean;
  }): Promise<void> {
    const attempt = (this.attempts.get(prompt) ?? 0) + 1;
    this.attempts.set(prompt, attempt);
    const behaviour = behaviourOf(this.script, prompt, attempt);
    const call: Call = {
      at: performance.now(),
      ended_at: null,
      path: req.url ?? '',
      prompt,
      attempt,
      behaviour,
      status: 0,
      headers: req.headers,
    };
    this.calls.push(call);
    this.in_flight += 1;
    this.most_in_flight = Math.max(this.most_in_flight, this.in_flight);
    res.once('close', () => {
      this.in_flight -= 1;
    });
    res.once('finish', () => {
      call.ended_at = performance.now();
      call.status = res.statusCode;
    });
    if (this.script.delay_ms) await pause(this.script.delay_ms);
    await this.behave(behaviour, res, stream ? streamOf(answerTo(prompt)) : JSON.stringify(completionOf(answerTo(prompt), 'stop')));
  }

  private async behave(behaviour: Behaviour, res: http.ServerResponse, answer: string): Promise<void> {
    if (behaviour === 'hang') return;
    const refusal = REFUSALS[behaviour];
    if (refusal) {
      const { retry_after = '0' } = this.script;
      const headers: http.OutgoingHttpHeaders = behaviour === 'limited' && retry_after !== null ? { 'retry-after': retry_after } : {};
      res.writeHead(refusal, headers).end('{"error":{"message":"no"}}');
      return;
    }
    const text = behaviour === 'filtered' ? JSON.stringify(completionOf('', 'content_filter')) : answer;
    const type = text.startsWith('data:') ? 'text/event-stream' : 'application/json';
    res.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
    if (behaviour === 'torn') res.write(text.slice(0, 10), () => res.destroy());
    else if (behaviour === 'slow') await drip(res, text);
    else res.end(text);
  }

  private judge(question: string, res: http.ServerResponse): void {
    const prompt = /【提问】\n([\s\S]*?)\n\n【回答】/.exec(question)?.[1] ?? '';
    const dimension = /按维度“(.*?)”/.exec(question)?.[1] ?? '';
    const text = isUnparsed(this.script, prompt) ? '无法判断' : `理由。\n分数=${scoreOf(dimension, prompt)}`;
    this.judgements.push({ prompt, text });
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(completionOf(text, 'stop')));
  }

  private score({ dimension, prompt }: { dimension: string; prompt: string }, res: http.ServerResponse): void {
    const predicted = isUnparsed(this.script, prompt) ? 0 : scoreOf(dimension, prompt);
    this.judgements.push({ prompt, text: String(predicted) });
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ predicted }));
  }
}

const REFUSALS: Partial<Record<Behaviour, number>> = { limited: 429, failing: 500, unauthorized: 401 };

const completionOf = (content: string, finish_reason: string) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason }],
  usage: { prompt_tokens: 10, completion_tokens: content.length },
});

function streamOf(text: string): string {
  const pieces = [...text].map((content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);
  return `${pieces.join('')}data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`;
}

async function drip(res: http.ServerResponse, answer: string): Promise<void> {
  const bytes = Buffer.from(answer);
  for (let at = 0; at < bytes.length && !res.destroyed; at += 20) {
    res.write(bytes.subarray(at, at + 20));
    await pause(5);
  }
  res.end();
}
