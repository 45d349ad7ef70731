import { TextDecoder } from 'node:util';
import { completed, ended, type Outcome } from '../../core/outcome.ts';
import { maskText } from '../mask.ts';
import type { OutboundResponse } from '../outbound-request.ts';
import type { HttpParameters, HttpResult } from './parameters.ts';

const KEPT =
  /^(content-(type|length|language|encoding|disposition)|date|etag|last-modified|expires|cache-control|location|retry-after|link|server|age|vary|allow|x-request-id|x-correlation-id|traceparent|(x-)?ratelimit-[a-z-]+)$/;

/** The headers worth storing; cookies and the like stay out. */
function keptHeaders(headers: Record<string, string>, secrets: readonly string[]): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => KEPT.test(name));
  return Object.fromEntries(
    kept.slice(0, 40).map(([name, value]) => [name, maskText(value, secrets).slice(0, 1_024).replaceAll('\0', '\uFFFD')]),
  );
}

function decoderFor(contentType: string): TextDecoder {
  const charset = /charset="?([\w:-]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
}

/** The body as text that can be stored: a character torn by the cut is dropped, NUL becomes U+FFFD. */
const bodyText = (response: OutboundResponse): string =>
  decoderFor(response.headers['content-type'] ?? '')
    .decode(response.body, { stream: response.truncated })
    .replaceAll('\0', '\uFFFD');

export function toResult(response: OutboundResponse, duration_ms: number, secrets: readonly string[]): HttpResult {
  return {
    status: response.status,
    headers: keptHeaders(response.headers, secrets),
    body: maskText(bodyText(response), secrets),
    truncated: response.truncated,
    url: maskText(response.url, secrets),
    duration_ms,
  };
}

const isExpected = (status: number, expected: HttpParameters['expected_status']): boolean =>
  expected.some((one) => one === status || one === `${Math.floor(status / 100)}xx`);

/** Whether the answer is what the task asked for. Of an unexpected one the beginning of the body is kept, for whoever looks into it. */
export function judgeAnswer(parameters: HttpParameters, result: HttpResult): Outcome {
  if (isExpected(result.status, parameters.expected_status)) return completed(result);
  return ended('failed', {
    code: 'http_status',
    message: `${parameters.method} ${new URL(result.url).host} answered ${result.status}, expected ${parameters.expected_status.join(', ')}`,
    details: { ...result, body: result.body.slice(0, 2_048) },
  });
}
