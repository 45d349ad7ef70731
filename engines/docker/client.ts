import { setTimeout as pause } from 'node:timers/promises';
import Docker from 'dockerode';
import { EngineError } from '../../core/errors.ts';

const DEFAULT_SOCKET = '/var/run/docker.sock';
const PATIENCE_MS = 60_000;
const PING_MS = 3_000;
const AWAY = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_SOCKET',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** A daemon and its address as a user would write it. Made without connecting. */
export type DockerClient = { docker: Docker; address: string };

/**
 * A client for DOCKER_HOST, by default the local socket.
 * @throws EngineError invalid_input: neither unix:// nor tcp:// nor http://
 */
export function createDockerClient(host: string | undefined): DockerClient {
  const address = host ?? `unix://${DEFAULT_SOCKET}`;
  const url = URL.parse(address);
  if (url?.protocol === 'unix:') return { docker: new Docker({ socketPath: url.pathname }), address };
  if (url && ['tcp:', 'http:'].includes(url.protocol) && url.hostname) {
    return { docker: new Docker({ protocol: 'http', host: url.hostname, port: Number(url.port || 2375) }), address };
  }
  throw new EngineError('invalid_input', `DOCKER_HOST=${JSON.stringify(address)}: expected unix:///path or tcp://host:port`);
}

/** The HTTP status with which the daemon refused a request, null when it did not answer at all. */
export const statusOf = (error: unknown): number | null => (error as { statusCode?: number }).statusCode ?? null;

/** What the daemon said, without the client's decoration. */
export function reasonOf(error: unknown): string {
  const { json, message } = error as { json?: { message?: string }; message?: string };
  return json?.message ?? message ?? String(error);
}

/** True when the daemon was not there, or went away in the middle: the same request may succeed when it is back. */
export function isAway(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return statusOf(error) === 503 || AWAY.has(code ?? '') || /socket hang up|aborted/.test(message ?? '');
}

/**
 * Repeats a request while the daemon is away (restarting, say), for up to a minute. Requests must be repeatable.
 * @throws EngineError unavailable: it did not come back; whatever else the request throws
 */
export async function patiently<T>(client: DockerClient, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let wait = 100; ; wait = Math.min(wait * 2, 2_000)) {
    try {
      return await work();
    } catch (error) {
      if (!isAway(error) || signal?.aborted) throw error;
      if (performance.now() > deadline) throw unavailable(client, error);
      await pause(wait);
    }
  }
}

export const unavailable = ({ address }: DockerClient, cause: unknown): EngineError =>
  new EngineError('unavailable', `no Docker Engine answers at ${address}: ${reasonOf(cause)}`, { cause });

/** Whether the daemon answers now. */
export async function pingDocker(client: DockerClient): Promise<{ ok: true } | { ok: false; reason: string }> {
  try {
    await client.docker.ping({ abortSignal: AbortSignal.timeout(PING_MS) } as never);
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: unavailable(client, error).message };
  }
}
