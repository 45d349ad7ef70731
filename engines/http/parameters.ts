import { z } from 'zod';
import type { EngineError } from '../../core/errors.ts';
import { parseOutboundUrl } from '../outbound-guard.ts';
import { PlainOrSecret } from '../secret-values.ts';

/** Set by the connection itself; a free choice of them would let a task pose as another host or smuggle a second request. */
const RESERVED = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
  'keep-alive',
  'expect',
  'proxy-connection',
  'proxy-authorization',
]);

/** Whether a header's value can be sent: one line, Latin-1. */
export const isHeaderValue = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(value);

const HeaderName = z
  .string()
  .max(256)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'not a valid header name')
  .refine((name) => !RESERVED.has(name.toLowerCase()), 'this header is set by the connection');
const HeaderValue = PlainOrSecret(8_192).refine(
  (value) => typeof value !== 'string' || isHeaderValue(value),
  'not a valid header value: one line of Latin-1 text',
);
const Headers = z
  .record(HeaderName, HeaderValue)
  .refine((headers) => Object.keys(headers).length <= 64, 'expected at most 64 headers')
  .refine(
    (headers) => new Set(Object.keys(headers).map((name) => name.toLowerCase())).size === Object.keys(headers).length,
    'a header is given twice',
  );

function checkUrl(url: string, issues: z.core.$RefinementCtx): void {
  try {
    parseOutboundUrl(url);
  } catch (error) {
    issues.addIssue({ code: 'custom', message: (error as EngineError).message });
  }
}

const ExpectedStatus = z.union([
  z.int().min(100).max(599),
  z.string().regex(/^[1-5]xx$/, 'expected a status code or a class such as "2xx"'),
]);

/** Parameters of an http task. A body that is not a string is sent as JSON; null sends none. */
export const HttpParameters = z.strictObject({
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']).default('GET'),
  url: z.string().min(1).max(8_192).superRefine(checkUrl).meta({ description: 'http or https, without credentials' }),
  headers: Headers.default({}),
  body: z.json().optional().meta({ description: 'a string is sent as it is, anything else as JSON' }),
  expected_status: z
    .array(ExpectedStatus)
    .min(1)
    .max(50)
    .default(['2xx'])
    .meta({ description: 'status codes or classes that count as success' }),
  max_response_bytes: z
    .int()
    .min(0)
    .max(1_048_576)
    .default(65_536)
    .meta({ description: 'bytes of the body that are kept; the rest is cut' }),
  follow_redirects: z.boolean().default(true).meta({ description: 'follow up to 5 redirects' }),
});
export type HttpParameters = z.output<typeof HttpParameters>;

/** What an http task leaves: `body` as text, `headers` the ones of interest, secrets masked in both. */
export const HttpResult = z.strictObject({
  status: z.int(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  truncated: z.boolean(),
  url: z.string(),
  duration_ms: z.number().min(0),
});
export type HttpResult = z.output<typeof HttpResult>;
