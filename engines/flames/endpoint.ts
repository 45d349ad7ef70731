import { z } from 'zod';
import { EngineError } from '../../core/errors.ts';
import { text } from '../../schemas/limits.ts';
import type { EngineContext } from '../define-engine.ts';
import { isHeaderValue } from '../http/parameters.ts';
import { parseOutboundUrl } from '../outbound-guard.ts';

function checkUrl(url: string, issues: z.core.$RefinementCtx): void {
  try {
    parseOutboundUrl(url);
  } catch (error) {
    issues.addIssue({ code: 'custom', message: (error as EngineError).message });
  }
}

/** Address of a model or judge. */
export const Url = z.string().min(1).max(2_048).superRefine(checkUrl).meta({ description: 'http or https, without credentials' });

/** A key is only ever the name of a stored secret. */
export const ApiKey = z.strictObject({ secret: text(200).min(1).meta({ description: 'name of a secret that the user may use' }) });
export const ApiKeyHeader = z
  .enum(['authorization', 'api-key', 'x-api-key'])
  .default('authorization')
  .meta({ description: 'where the key is sent' });

export type EndpointSpec = { url: string; api_key?: z.output<typeof ApiKey>; api_key_header: z.output<typeof ApiKeyHeader> };

/** Where calls go, with the key in its header. `origin`: calls to one origin share a pace. */
export type Endpoint = { url: string; origin: string; headers: Record<string, string> };

/** `/chat/completions` below a base address, whose query stays. */
export function chatUrl(base_url: string): string {
  const url = new URL(base_url);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/chat/completions`;
  return url.href;
}

/**
 * Fetches the key of an endpoint.
 * @throws EngineError not_found, forbidden: the secret is not for this user or this host; invalid_input: it cannot be sent in a header
 */
export async function openEndpoint(
  { url, api_key, api_key_header }: EndpointSpec,
  context: Pick<EngineContext, 'secret'>,
): Promise<Endpoint> {
  const { origin, hostname } = new URL(url);
  const headers = { accept: 'application/json, text/event-stream', 'content-type': 'application/json', 'user-agent': 'task-orchestrator' };
  if (!api_key) return { url, origin, headers };
  const value = await context.secret(api_key.secret, hostname);
  if (!isHeaderValue(value))
    throw new EngineError('invalid_input', `secret "${api_key.secret}": not a valid header value (one line of Latin-1 text)`);
  return { url, origin, headers: { ...headers, [api_key_header]: api_key_header === 'authorization' ? `Bearer ${value}` : value } };
}
