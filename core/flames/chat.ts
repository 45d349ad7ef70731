import { retryAfterMs } from './retry-after.ts';

/** How a model is to answer; what is left out is the endpoint's own choice. `stream`: it sends its answer in pieces. */
export type Generation = {
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  seed?: number;
  stop?: string[];
  stream?: boolean;
};
export type Message = { role: 'system' | 'user'; content: string };

/** Tokens as the endpoint counts them; null when it does not say. */
export type Tokens = { prompt_tokens: number | null; completion_tokens: number | null };

/**
 * What a call to a model came to. `refused`: the endpoint will not answer this prompt (content filter). `failed`: no answer; `again`: another try may help;
 * `fatal`: no call of this run can succeed; `limited`: the endpoint has too many requests, and wants to be left alone for `wait_ms` (null: it does not say).
 */
export type Reply =
  | ({ kind: 'answer' | 'refused'; text: string } & Tokens)
  | { kind: 'failed'; message: string; again: boolean; fatal: boolean; limited: boolean; wait_ms: number | null };
export type Failure = Extract<Reply, { kind: 'failed' }>;

export type HttpAnswer = { status: number; headers: Readonly<Record<string, string>>; text: string };

type Json = Record<string, unknown>;
const asObject = (value: unknown): Json => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {});
const asText = (value: unknown): string => (typeof value === 'string' ? value : '');
const asCount = (value: unknown): number | null => (Number.isInteger(value) && (value as number) >= 0 ? (value as number) : null);

/** The messages of one prompt. */
export const messagesOf = (prompt: string, system: string | null): Message[] => [
  ...(system === null ? [] : [{ role: 'system' as const, content: system }]),
  { role: 'user' as const, content: prompt },
];

/** Body of `POST /chat/completions`. */
export const chatBody = (model: string, messages: readonly Message[], generation: Generation): string =>
  JSON.stringify({ model, messages, ...generation });

export const failed = (message: string, more: Partial<Failure> = {}): Failure => ({
  kind: 'failed',
  message,
  again: false,
  fatal: false,
  limited: false,
  wait_ms: null,
  ...more,
});

const AGAIN = new Set([408, 409, 425, 429, 500, 502, 503, 504, 529]);
/** The key or the model's name is wrong: the next prompt would fare no better. */
const FATAL = new Set([401, 404]);
const FILTERED = /content[_ ]?(filter|policy|management)|responsibleai|data_inspection_failed|sensitive/i;

/** Whether an error answer is the endpoint's refusal of this prompt. Only codes count: the message repeats what people wrote. */
function isFiltered(status: number, body: Json): boolean {
  const error = asObject(body.error);
  const codes = [error.code, error.type, asObject(error.innererror).code].map(asText).join(' ');
  return status < 500 && status !== 401 && status !== 404 && status !== 429 && FILTERED.test(codes);
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

type Choice = { content: string; finish: string; usage: Json };

/** The pieces of a streamed answer put together; null when it ended before its end. */
function readStream(text: string): Choice | null {
  const data = text.split(/\r?\n/).flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trim()] : []));
  const choice: Choice = { content: '', finish: '', usage: {} };
  for (const piece of data.filter((line) => line !== '[DONE]')) {
    const event = asObject(readJson(piece));
    const first = asObject((event.choices as unknown[] | undefined)?.[0]);
    const delta = asObject(first.delta);
    choice.content += asText(delta.content) || asText(delta.refusal);
    choice.finish = asText(first.finish_reason) || choice.finish;
    choice.usage = event.usage ? asObject(event.usage) : choice.usage;
  }
  return data.includes('[DONE]') || choice.finish !== '' ? choice : null;
}

/** An answer in one piece; null when it is none. A model's own refusal is what it says, so it is its answer. */
function readWhole(text: string): Choice | null {
  const body = asObject(readJson(text));
  const first = asObject((Array.isArray(body.choices) ? body.choices : [])[0]);
  const message = asObject(first.message);
  const content = message.content ?? message.refusal;
  if (typeof content !== 'string' && first.finish_reason !== 'content_filter') return null;
  return { content: asText(content), finish: asText(first.finish_reason), usage: asObject(body.usage) };
}

const isStream = (headers: HttpAnswer['headers']): boolean => (headers['content-type'] ?? '').startsWith('text/event-stream');

/**
 * Reads the answer of an OpenAI-compatible endpoint. Texts of the endpoint's errors are not repeated: they may quote the prompt, or the key.
 * @param now milliseconds since 1970, for dates in `Retry-After`
 */
export function readReply({ status, headers, text }: HttpAnswer, now: number): Reply {
  if (status < 200 || status > 299) return readRefusal({ status, headers, text }, now);
  const choice = isStream(headers) ? readStream(text) : readWhole(text);
  if (!choice) return failed(`the endpoint answered ${status} without a completion`, { again: true });
  const tokens = { prompt_tokens: asCount(choice.usage.prompt_tokens), completion_tokens: asCount(choice.usage.completion_tokens) };
  return { kind: choice.finish === 'content_filter' ? 'refused' : 'answer', text: choice.content, ...tokens };
}

/** As `readReply`, for endpoints whose answer is not a completion: it is taken as it is. */
export function readPlain({ status, headers, text }: HttpAnswer, now: number): Reply {
  if (status < 200 || status > 299) return readRefusal({ status, headers, text }, now);
  return { kind: 'answer', text, prompt_tokens: null, completion_tokens: null };
}

function readRefusal({ status, headers, text }: HttpAnswer, now: number): Reply {
  if (isFiltered(status, asObject(readJson(text)))) return { kind: 'refused', text: '', prompt_tokens: null, completion_tokens: null };
  const again = AGAIN.has(status);
  const wait_ms = again ? retryAfterMs(headers, now) : null;
  return failed(`the endpoint answered ${status}`, { again, fatal: FATAL.has(status), limited: status === 429 || status === 529, wait_ms });
}
