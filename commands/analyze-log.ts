import { createHash } from 'node:crypto';
import { EngineError } from '../core/errors.ts';
import { LineReader } from '../core/logs/line-reader.ts';
import type { NumberedLine } from '../core/logs/segment.ts';
import type { Transport } from '../core/logs/transport.ts';
import { findSource, typesOfSource } from '../entities/log-segment.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { AnalysisResult, LogSource as ShownSource } from '../schemas/log-segment.ts';
import { actorName, type CommandContext, seesAll } from './context.ts';
import { ingestLines } from './ingest-log.ts';
import { statisticsCache } from './log-statistics.ts';
import { endLogSource, type LogSource, openLogSource, type SourceSpec } from './open-log-source.ts';
import { readInstanceLines } from './read-instance-lines.ts';
import { writeAudit } from './write-audit.ts';

/** A text to analyse. `container_id` null: it is of no container, and gets an id of its own. */
export type TextAnalysis = { bytes: Buffer; container_id: string | null; container_name: string | null; transport: Transport };

const CHUNK = 262_144;

async function* linesOf(bytes: Buffer, transport: Transport): AsyncGenerator<NumberedLine[]> {
  const reader = new LineReader(transport);
  for (let at = 0; at < bytes.length; at += CHUNK) yield reader.push(bytes.subarray(at, at + CHUNK));
  yield reader.flush();
}

/** Others' things are as good as absent. Operators write for everybody: what they analyse belongs to nobody in particular. */
const ownerOf = ({ actor }: CommandContext): number | null => (seesAll(actor) ? null : actor.id);

async function audit(ctx: CommandContext, source: LogSource): Promise<void> {
  await writeAudit(ctx.em, {
    actor: actorName(ctx.actor),
    action: 'container_log.analyze',
    subject_type: 'container_log_source',
    subject_id: String(source.id),
    after: { container_id: source.container_id, kind: source.kind },
    request_id: ctx.request_id,
  });
}

/** Opens the source with its audit row, reads it to its end, and says what it holds. */
async function analyse(
  ctx: CommandContext,
  spec: Omit<SourceSpec, 'requested_by'>,
  lines: () => AsyncIterable<readonly NumberedLine[]>,
): Promise<AnalysisResult> {
  const source = await ctx.em.transactional(async (tx) => {
    const opened = await openLogSource(tx as Em, { ...spec, requested_by: actorName(ctx.actor) });
    await audit({ ...ctx, em: tx as Em }, opened);
    return opened;
  });
  const fork = (): Em => ctx.em.fork() as Em;
  try {
    const { stored } = await ingestLines(fork, source, lines());
    await endLogSource(fork(), source.id, null);
    return await resultOf(ctx, source.id, stored);
  } catch (cause) {
    await endLogSource(fork(), source.id, (cause as Error).message).catch(() => undefined);
    throw cause;
  } finally {
    statisticsCache.clear();
  }
}

async function resultOf(ctx: CommandContext, id: number, stored: number): Promise<AnalysisResult> {
  const source = (await findSource(ctx.em, id, { user_id: null })) as ShownSource;
  return { source, stored, types: await typesOfSource(ctx.em, id) };
}

/** Reads a text into segments. The same text of the same container is the same source: analysing it again adds nothing. */
export async function analyzeText(
  ctx: CommandContext,
  { bytes, container_id, container_name, transport }: TextAnalysis,
): Promise<AnalysisResult> {
  const sha = createHash('sha256').update(bytes).digest('hex');
  const id = container_id ?? `text-${sha.slice(0, 12)}`;
  const user_id = ownerOf(ctx);
  const identity = user_id === null ? `sha256/${sha}` : `user/${user_id}/sha256/${sha}`;
  const spec = {
    container_id: id,
    container_name: container_name ?? id,
    docker_id: null,
    kind: 'text' as const,
    identity,
    runid: null,
    user_id,
  };
  return await analyse(ctx, spec, () => linesOf(bytes, transport));
}

/** What is known of an instance whose output is to be read. */
export type InstanceFacts = {
  runid: string;
  user_id: number;
  container_id: string | null;
  container_name: string | null;
  docker_id: string | null;
  ended: boolean;
};

const INSTANCE = `select i.runid, t.user_id::float8 as user_id, c.container_id, c.container_name, c.docker_id, i.status not in ('starting', 'running') as ended
  from instances i join tasks t on t.uuid = i.task_id left join docker_container c on c.runid = i.runid where i.runid = $1`;

/**
 * Reads the output of an instance, as far as there is any, into segments.
 * @throws EngineError not_found: no such instance, or somebody else's
 */
export async function analyzeInstance(ctx: CommandContext, runid: string): Promise<AnalysisResult> {
  const [facts] = await query<InstanceFacts>(ctx.em, INSTANCE, [runid]);
  if (!facts || (!seesAll(ctx.actor) && facts.user_id !== ctx.actor.id))
    throw new EngineError('not_found', `instance ${runid}: there is none`);
  if (!facts.ended) throw new EngineError('conflict', `instance ${runid}: it has not ended yet; expected a final one`);
  return await analyse(ctx, instanceSpec(facts), () => readInstanceLines(() => ctx.em.fork() as Em, runid, 0));
}

/** The source that an instance's output is. */
export const instanceSpec = (facts: Omit<InstanceFacts, 'ended'>): Omit<SourceSpec, 'requested_by'> => ({
  container_id: facts.container_id ?? `orch-${facts.runid}`,
  container_name: facts.container_name ?? `orch-${facts.runid}`,
  docker_id: null,
  kind: 'instance',
  identity: `instance/${facts.runid}`,
  runid: facts.runid,
  user_id: facts.user_id,
});

/**
 * Asks the worker whose Engine has the container to read its log; a running one is followed from then on.
 * @throws EngineError not_found: no Engine is known to have had it
 */
export async function analyzeContainer(ctx: CommandContext, container_id: string): Promise<AnalysisResult> {
  const sql = `select container_id, container_name, docker_id, status from docker_container
    where container_id = $1 or container_name = $1 or (length($1) >= 12 and container_id like $1 || '%')
    order by removed_at is not null, last_seen desc limit 1`;
  const [found] = await query<{ container_id: string; container_name: string; docker_id: string; status: string }>(ctx.em, sql, [
    container_id.replace(/[%_\\]/g, ''),
  ]);
  if (!found) throw new EngineError('not_found', `container "${container_id}": no Docker Engine is known to have it`);
  if (found.status === 'removed') throw new EngineError('conflict', `container "${container_id}": it was removed, and its log with it`);
  return await ctx.em.transactional(async (tx) => {
    const { status: _, ...container } = found;
    const spec = { ...container, kind: 'container' as const, identity: 'container', runid: null, user_id: null };
    const source = await openLogSource(tx as Em, { ...spec, requested_by: actorName(ctx.actor) });
    await audit({ ...ctx, em: tx as Em }, source);
    return await resultOf({ ...ctx, em: tx as Em }, source.id, 0);
  });
}
