import fc from 'fast-check';
import { chatBody, messagesOf, readReply } from '../../../core/flames/chat.ts';

const json = { 'content-type': 'application/json' };
const answer = (status: number, body: unknown, headers: Record<string, string> = json) =>
  readReply({ status, headers, text: typeof body === 'string' ? body : JSON.stringify(body) }, 0);
const choice = (message: object, finish_reason = 'stop') => ({
  choices: [{ message, finish_reason }],
  usage: { prompt_tokens: 5, completion_tokens: 7 },
});

describe('readReply', () => {
  it('reads an answer with its tokens', () => {
    expect(answer(200, choice({ role: 'assistant', content: '你好' }))).toEqual({
      kind: 'answer',
      text: '你好',
      prompt_tokens: 5,
      completion_tokens: 7,
    });
    expect(answer(200, { choices: [{ message: { content: '' } }] })).toEqual({
      kind: 'answer',
      text: '',
      prompt_tokens: null,
      completion_tokens: null,
    });
  });

  it('takes a model’s own refusal for its answer, and a content filter for none', () => {
    expect(answer(200, choice({ content: null, refusal: 'I will not' }))).toMatchObject({ kind: 'answer', text: 'I will not' });
    expect(answer(200, choice({ content: null }, 'content_filter'))).toMatchObject({ kind: 'refused', text: '' });
    expect(answer(400, { error: { code: 'content_filter', message: 'no' } })).toMatchObject({ kind: 'refused' });
    expect(answer(400, { error: { type: 'invalid_request_error', message: 'content_filter' } })).toMatchObject({ kind: 'failed' });
  });

  it('puts a streamed answer together, and one that was cut off counts as none', () => {
    const events = ['你', '好'].map((content) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`).join('');
    const sse = { 'content-type': 'text/event-stream; charset=utf-8' };
    const end = `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } })}\n\ndata: [DONE]\n\n`;
    expect(answer(200, events + end, sse)).toEqual({ kind: 'answer', text: '你好', prompt_tokens: 1, completion_tokens: 2 });
    expect(answer(200, events, sse)).toMatchObject({ kind: 'failed', again: true });
  });

  it.each([
    [429, { again: true, fatal: false, limited: true }],
    [500, { again: true, fatal: false, limited: false }],
    [503, { again: true, fatal: false, limited: false }],
    [408, { again: true, fatal: false, limited: false }],
    [400, { again: false, fatal: false, limited: false }],
    [403, { again: false, fatal: false, limited: false }],
    [401, { again: false, fatal: true, limited: false }],
    [404, { again: false, fatal: true, limited: false }],
    [302, { again: false, fatal: false, limited: false }],
  ])('a %i is %j', (status, expected) => {
    expect(answer(status, { error: { message: 'sk-secret and the prompt' } })).toEqual({
      kind: 'failed',
      message: `the endpoint answered ${status}`,
      wait_ms: null,
      ...expected,
    });
  });

  it('passes on what Retry-After asks for', () => {
    expect(answer(429, '', { 'retry-after': '3' })).toMatchObject({ limited: true, wait_ms: 3_000 });
    expect(answer(503, '', { 'retry-after': '1' })).toMatchObject({ limited: false, wait_ms: 1_000 });
  });

  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"choices":[]}',
    '{"choices":[{}]}',
    '{"choices":{"0":1}}',
    '{"choices":[{"message":{"content":5}}]}',
    '<html>',
  ])('takes %j for no answer', (text) => {
    expect(answer(200, text)).toMatchObject({ kind: 'failed', again: true });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.oneof(fc.string(), fc.json()), fc.boolean(), (status, text, stream) => {
        const headers = stream ? { 'content-type': 'text/event-stream' } : json;
        expect(['answer', 'refused', 'failed']).toContain(readReply({ status, headers, text: stream ? `data: ${text}` : text }, 0).kind);
      }),
    );
  });
});

test('a request holds model, messages and what was said about the generation', () => {
  expect(JSON.parse(chatBody('m', messagesOf('p', 's'), { temperature: 0, stop: ['x'] }))).toEqual({
    model: 'm',
    messages: [
      { role: 'system', content: 's' },
      { role: 'user', content: 'p' },
    ],
    temperature: 0,
    stop: ['x'],
  });
  expect(messagesOf('p', null)).toEqual([{ role: 'user', content: 'p' }]);
});
