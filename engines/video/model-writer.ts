import { setTimeout as pause } from 'node:timers/promises';
import type { Agent } from 'undici';
import { EngineError } from '../../core/errors.ts';
import { readModelAnswer } from '../../core/video/model-answer.ts';
import type { WritingWish } from '../../core/video/scene-writer.ts';
import { CAMERA_MOVEMENTS, LIGHTINGS, type Scene } from '../../core/video/script.ts';
import type { EngineContext } from '../define-engine.ts';
import { type OutboundResponse, outboundRequest } from '../outbound-request.ts';
import type { ModelWriter } from './parameters.ts';

const TRIES = 3;
const ANSWER_S = 120;
const LONGEST_WAIT_S = 30;

const instructions = ({ scenes, scene_duration }: WritingWish): string =>
  [
    'You write scripts for short videos. Answer with JSON only: {"scenes":[…]}.',
    scenes === null ? 'Write 3 to 8 scenes.' : `Write exactly ${scenes} scenes.`,
    `Each scene has: "description" (one or two sentences in the language of the request), "duration" (whole seconds, about ${scene_duration}),`,
    `"camera_movement" (one of ${CAMERA_MOVEMENTS.join(', ')}), "lighting" (one of ${LIGHTINGS.join(', ')}), and optionally "voice_text" (what a narrator says).`,
  ].join('\n');

type Message = { role: 'system' | 'user' | 'assistant'; content: string };
type Call = { agent: Agent; writer: ModelWriter; messages: Message[]; context: EngineContext };

async function send({ agent, writer, messages, context }: Call): Promise<OutboundResponse> {
  const url = `${writer.base_url.replace(/\/+$/, '')}/chat/completions`;
  const key = writer.api_key ? await context.secret(writer.api_key.secret, new URL(url).hostname) : null;
  const body = JSON.stringify({ model: writer.model, messages, temperature: 0.7, response_format: { type: 'json_object' } });
  const headers: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json' };
  if (key !== null) headers.authorization = `Bearer ${key}`;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ANSWER_S * 1_000)]);
  const secret_headers = new Set(['authorization']);
  return await outboundRequest(agent, {
    method: 'POST',
    url,
    headers,
    secret_headers,
    body,
    signal,
    max_response_bytes: 1_048_576,
    max_redirects: 0,
  });
}

const passes = (status: number): boolean => status === 429 || status >= 500;

function waitFor(answer: OutboundResponse | null, attempt: number): number {
  const asked = Number(answer?.headers['retry-after']);
  return Math.min(LONGEST_WAIT_S, Number.isFinite(asked) && asked >= 0 ? asked : 2 ** (attempt - 1)) * 1_000;
}

/** Asks again while the service is busy or cannot be reached. @throws EngineError unavailable: it stayed so; forbidden: not to be reached from here */
async function ask(call: Call): Promise<OutboundResponse> {
  let trouble = '';
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const answer = await send(call).catch((error: unknown) => {
      if (error instanceof EngineError || call.context.signal.aborted) throw error;
      trouble = (error as Error).message;
      return null;
    });
    if (answer && !passes(answer.status)) return answer;
    if (answer) trouble = `it answered ${answer.status}`;
    if (attempt < TRIES) await pause(waitFor(answer, attempt), undefined, { signal: call.context.signal });
  }
  throw failed(`${trouble}, ${TRIES} times in a row`);
}

const failed = (why: string): EngineError =>
  new EngineError('invalid_input', `the scene writer failed: ${why}`, { details: { writer: true } });

function contentOf(answer: OutboundResponse): string {
  if (answer.status !== 200) throw failed(`the model's service answered ${answer.status}`);
  try {
    const parsed = JSON.parse(answer.body.toString('utf8')) as { choices?: { message?: { content?: unknown } }[] };
    const content = parsed.choices?.[0]?.message?.content;
    if (typeof content === 'string') return content;
  } catch {}
  throw failed('the answer is not that of a chat completion');
}

/**
 * Has a script written by a model behind an OpenAI-compatible API. An answer that holds no script is sent back once with what is wrong with it.
 * @throws EngineError invalid_input with `details.writer`: the service or its answers would not do; forbidden, not_found: key or host not permitted
 */
export async function writeByModel(
  agent: Agent,
  writer: ModelWriter,
  { wish, context }: { wish: WritingWish; context: EngineContext },
): Promise<Scene[]> {
  const messages: Message[] = [
    { role: 'system', content: instructions(wish) },
    { role: 'user', content: wish.prompt },
  ];
  for (let round = 1; ; round += 1) {
    const content = contentOf(await ask({ agent, writer, messages, context }));
    const answer = readModelAnswer(content, { wanted: wish.scenes, scene_duration: wish.scene_duration });
    if ('scenes' in answer) return answer.scenes;
    if (round === 2) throw failed(answer.problem);
    await context.log.system(`the model's answer is no script: ${answer.problem}; asking once more`);
    messages.push(
      { role: 'assistant', content: content.slice(0, 8_000) },
      { role: 'user', content: `${answer.problem}. Answer again, JSON only.` },
    );
  }
}
