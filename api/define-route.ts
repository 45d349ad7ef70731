import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import type { CommandContext } from '../commands/context.ts';
import type { DetectionIntake } from '../commands/detection-intake.ts';
import type { Vault } from '../commands/secrets-vault.ts';
import type { Config } from '../config/env.ts';
import type { Logger } from '../config/logger.ts';
import type { Engines } from '../engines/define-engine.ts';
import type { LargeBody } from './read-body.ts';

/** The least role that may call a route. Within it, tasks and instances are scoped to their owner in SQL unless the actor sees all. */
export type Rights = 'user' | 'operator' | 'admin';

/** Wakes other processes after the commit; it only shortens a wait. */
export type Notify = (channel: 'dispatch' | 'cancel') => void;

/** What the parts of the application share. `stopping` is aborted when the server shuts down. */
export type Shared = {
  engines: Engines;
  config: Config;
  vault: Vault;
  artifacts: ArtifactStore;
  detections: DetectionIntake;
  logger: Logger;
  notify: Notify;
  stopping: AbortSignal;
};

/** What a handler gets: a fresh entity manager, who acts, and `signal`, aborted when the client has gone or the server stops. */
export type RouteContext = CommandContext & Shared & { signal: AbortSignal; forgetKeys: () => void };

/** One server-sent event: `id` for resuming, `event` null for the default type. */
export type ServerEvent = { id: number | null; event: string | null; data: unknown };

/** A body that the handler reads itself, as it comes; decompressed. `type`: its media type without parameters. */
export type RawBody = { type: string; stream: Readable };

/** What a route with a raw body takes: media types, and bytes at most after decompression. */
export type RawBodyRule = { types: readonly [string, ...string[]]; max_bytes: number };

/** Bytes from `start` to `end`, both included. */
export type ByteRange = { start: number; end: number };

/**
 * A file as an answer. `filename`: offered for saving; null: shown in place. `size` null: not known before it ends, so no ranges. `etag`:
 * in quotes, changes with the content. `open` is called once, with the range that was asked for.
 */
export type Download = {
  download: true;
  content_type: string;
  filename: string | null;
  size: number | null;
  etag?: string;
  open(range: ByteRange | null): AsyncIterable<string | Uint8Array>;
};

/** An answer with headers of its own. */
export type Reply<T> = { reply: true; body: T; headers: Record<string, string>; also?: true };

/** Adds response headers to what a handler returns. */
export const withHeaders = <T>(body: T, headers: Record<string, string>): Reply<T> => ({ reply: true, body, headers });

/** The route's other success (`also`). */
export const otherwise = (body: unknown): Reply<never> => ({ reply: true, body: body as never, headers: {}, also: true });

/** Streams that go on until the client leaves. `multipart/x-mixed-replace`: JPEG pictures, each in place of the one before; the handler yields pictures. */
type EndlessStream = 'text/event-stream' | 'multipart/x-mixed-replace';

type Response<R> = {
  status: 200 | 201 | 202 | 204;
  /** JSON answers; null for those without a body. */
  schema: R | null;
  /** Instead of JSON the handler may return chunks of text, events, or pictures. */
  stream?: 'text/plain' | EndlessStream;
  /** Instead of JSON the handler returns a `Download` of one of these media types. */
  download?: readonly [string, ...string[]];
};

type Answer<T> = T | AsyncIterable<string> | AsyncIterable<ServerEvent> | AsyncIterable<Uint8Array> | Download | undefined;

type RouteSpec<P extends z.ZodType, Q extends z.ZodType, H extends z.ZodType, B extends z.ZodType, R extends z.ZodType> = {
  /** OpenAPI's operationId. */
  id: string;
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Under /api/v1, parameters in braces: `/tasks/{uuid}`. */
  path: string;
  summary: string;
  tags: [string];
  rights: Rights;
  params?: P;
  query?: Q;
  headers?: H;
  body?: B;
  /** Submitting batches needs more than the 256 kB and 10,000 values of other routes; some bodies need longer strings than 64 kB. */
  large_body?: LargeBody;
  /** Instead of `body`: the handler reads the bytes itself, as `raw`. */
  raw_body?: RawBodyRule;
  response: Response<R>;
  /** A second kind of success, for some requests: see `otherwise`. */
  also?: { status: 200; schema: z.ZodType };
  handle(
    input: { params: z.output<P>; query: z.output<Q>; headers: z.output<H>; body: z.output<B>; raw: RawBody },
    ctx: RouteContext,
  ): Promise<Answer<z.input<R>> | Reply<Answer<z.input<R>>>>;
};

/** A route whose types have been used: what the application, the OpenAPI document and the tests walk over. */
export type Route = Omit<RouteSpec<z.ZodType, z.ZodType, z.ZodType, z.ZodType, z.ZodType>, 'handle'> & {
  handle(input: { params: unknown; query: unknown; headers: unknown; body: unknown; raw: RawBody }, ctx: RouteContext): Promise<unknown>;
};

/** Whether the answer of a route never ends by itself. */
export const isEndless = ({ response }: Route): boolean => response.stream !== undefined && response.stream !== 'text/plain';

/** Declares a route: input, rights, answer and handler together. The handler sees parsed input only and returns plain data. */
export function defineRoute<
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  H extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
  R extends z.ZodType = z.ZodUndefined,
>(route: RouteSpec<P, Q, H, B, R>): Route {
  return route as unknown as Route;
}
