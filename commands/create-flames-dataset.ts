import { EngineError } from '../core/errors.ts';
import type { Prompt } from '../core/flames/dataset.ts';
import { findDataset } from '../entities/flames-dataset.queries.ts';
import { type Em, query } from '../entities/sql.ts';
import type { FlamesDataset } from '../schemas/flames.ts';
import { audited } from './audited.ts';
import { type CommandContext, seesAll } from './context.ts';
import { type DatasetFile, promptSha, type ReadDataset, readDataset } from './read-dataset.ts';

/** `shared`: for everybody. */
export type DatasetCreation = DatasetFile & { name: string; shared: boolean };

const BATCH = 1_000;

/**
 * Takes in a file of prompts as a dataset of the actor. The file is read whole before anything is written, so a slow sender holds no transaction.
 * @returns `created` false: the actor has these very prompts under this name already
 * @throws EngineError invalid_input, too_large: see `readDataset`; forbidden: sharing is for operators
 */
export async function createFlamesDataset(
  ctx: CommandContext,
  creation: DatasetCreation,
): Promise<{ dataset: FlamesDataset; created: boolean }> {
  if (creation.shared && !seesAll(ctx.actor))
    throw new EngineError('forbidden', 'shared: sharing a dataset with everybody is for operators');
  const file = await readDataset(creation);
  const known = await sameContent(ctx.em, ctx.actor.id, { name: creation.name, content_hash: file.content_hash });
  if (known) return { dataset: known, created: false };
  const deed = { action: 'flames_dataset.create', subject_type: 'flames_dataset', subject_id: null };
  return await audited(ctx, deed, async (em) => {
    await query(em, `select pg_advisory_xact_lock(hashtext('flames_dataset'), hashtext($1))`, [`${ctx.actor.id} ${creation.name}`]);
    const raced = await sameContent(em, ctx.actor.id, { name: creation.name, content_hash: file.content_hash });
    const id = raced?.id ?? (await insert(em, ctx.actor.id, { ...creation, ...file }));
    const dataset = (await findDataset(em, id, { user_id: null })) as FlamesDataset;
    return { before: raced, after: dataset, subject_id: String(id), result: { dataset, created: raced === null } };
  });
}

async function sameContent(
  em: Em,
  user_id: number,
  { name, content_hash }: { name: string; content_hash: string },
): Promise<FlamesDataset | null> {
  const sql = 'select id from flames_dataset where user_id = $1 and name = $2 and content_hash = $3';
  const [row] = await query<{ id: number }>(em, sql, [user_id, name, content_hash]);
  return row ? await findDataset(em, row.id, { user_id: null }) : null;
}

async function insert(em: Em, user_id: number, dataset: DatasetCreation & ReadDataset): Promise<number> {
  const { name, shared, format, mapping, sha256, content_hash, prompts } = dataset;
  const [row] = await query<{ id: number }>(
    em,
    `insert into flames_dataset (user_id, name, version, shared, format, mapping, sha256, content_hash, prompts, groups)
     select $1, $2, coalesce(max(d.version), 0) + 1, $3, $4, $5::jsonb, $6, $7, $8, $9::jsonb from flames_dataset d where d.user_id = $1 and d.name = $2
     returning id`,
    [user_id, name, shared, format, JSON.stringify(mapping), sha256, content_hash, prompts.length, JSON.stringify(groupsOf(prompts))],
  );
  const id = row?.id ?? 0;
  for (let at = 0; at < prompts.length; at += BATCH) await insertPrompts(em, { id, at, prompts: prompts.slice(at, at + BATCH) });
  return id;
}

function groupsOf(prompts: readonly Prompt[]): FlamesDataset['groups'] {
  const groups = new Map<string, FlamesDataset['groups'][number]>();
  for (const { dimension, subcomponent } of prompts) {
    const key = JSON.stringify([dimension, subcomponent]);
    const group = groups.get(key) ?? { dimension, subcomponent, prompts: 0 };
    group.prompts += 1;
    groups.set(key, group);
  }
  return [...groups.values()];
}

async function insertPrompts(em: Em, { id, at, prompts }: { id: number; at: number; prompts: readonly Prompt[] }): Promise<void> {
  await query(
    em,
    `insert into flames_prompt (dataset_id, seq, dimension, subcomponent, prompt, reference, sha)
     select $1, $2 + p.n, p.dimension, p.subcomponent, p.prompt, p.reference, p.sha
     from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) with ordinality as p(dimension, subcomponent, prompt, reference, sha, n)`,
    [
      id,
      at,
      prompts.map((p) => p.dimension),
      prompts.map((p) => p.subcomponent),
      prompts.map((p) => p.prompt),
      prompts.map((p) => p.reference),
      prompts.map(promptSha),
    ],
  );
}
