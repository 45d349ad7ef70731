import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import { analyzeContainer, analyzeInstance, analyzeText } from '../../../commands/analyze-log.ts';
import { EngineError } from '../../../core/errors.ts';
import { TRANSPORTS } from '../../../core/logs/transport.ts';
import { Analysis, AnalysisResult, ContainerId } from '../../../schemas/log-segment.ts';
import { defineRoute, type RouteContext } from '../../define-route.ts';
import { takeTurns } from '../../take-turns.ts';

const UPLOAD_BYTES = 64 * 1024 * 1024;
/** Each reading holds a whole file. */
const inTurn = takeTurns({ at_once: 2, waiting: 20 });

export const analyzeLogRoute = defineRoute({
  id: 'analyzeLog',
  method: 'post',
  path: '/container-logs/analyze',
  summary: 'Read a text, the log of a container or the output of an instance into segments',
  tags: ['container logs'],
  rights: 'user',
  body: Analysis,
  large_body: { text_bytes: 8_388_608 },
  response: { status: 201, schema: AnalysisResult },
  handle: async ({ body }, ctx) => await analyse(ctx, body),
});

async function analyse(ctx: RouteContext, { text, container_id, container_name, runid, transport }: Analysis): Promise<AnalysisResult> {
  if (runid !== undefined) return await analyzeInstance(ctx, runid);
  const named = { container_id: container_id ?? null, container_name: container_name ?? null };
  if (text !== undefined) return await inTurn(() => analyzeText(ctx, { ...named, bytes: Buffer.from(text), transport }));
  if (ctx.actor.role === 'user') throw new EngineError('forbidden', 'container_id: reading logs from an Engine is for operators');
  return await analyzeContainer(ctx, container_id as string);
}

export const uploadLogRoute = defineRoute({
  id: 'uploadLog',
  method: 'post',
  path: '/container-logs/upload',
  summary: 'Read a log file into segments: up to 64 MB, bytes of any encoding, gzip by Content-Encoding',
  tags: ['container logs'],
  rights: 'user',
  raw_body: { types: ['text/plain', 'application/x-ndjson', 'application/octet-stream'], max_bytes: UPLOAD_BYTES },
  query: z.strictObject({
    container_id: ContainerId.optional(),
    container_name: ContainerId.optional(),
    transport: z.enum(TRANSPORTS).default('auto'),
  }),
  response: { status: 201, schema: AnalysisResult },
  handle: async ({ raw, query: { container_id, container_name, transport } }, ctx) => {
    const named = { container_id: container_id ?? null, container_name: container_name ?? null };
    return await inTurn(async () => await analyzeText(ctx, { ...named, bytes: await buffer(raw.stream), transport }));
  },
});
