import { EngineError } from '../core/errors.ts';
import { NO_RETRY } from '../core/retry.ts';
import type { Engine, Engines } from '../engines/define-engine.ts';
import { query } from '../entities/sql.ts';
import { findTemplateDetail } from '../entities/template.queries.ts';
import { storedRate } from '../schemas/rate-limit.ts';
import type { TemplateCreation, TemplateDetail } from '../schemas/template.ts';
import { audited } from './audited.ts';
import { checkBinding, refuseCycles } from './check-sla-binding.ts';
import { type CommandContext, requireEngineRight } from './context.ts';
import { clocksOf, insertVersion, refuseUnbatchable, type VersionContent } from './insert-template-version.ts';
import { checkDefinition } from './parameter-schema.ts';
import { parameterSchema } from './seed.ts';

/**
 * Makes a template and its version 1; what the request leaves out comes from the engine.
 * @throws EngineError invalid_input: no such engine or queue, bad schema or defaults; forbidden: see `requireEngineRight`; conflict: name taken
 */
export async function createTemplate(ctx: CommandContext, creation: TemplateCreation, engines: Engines): Promise<TemplateDetail> {
  const engine = knownEngine(engines, creation.engine);
  requireEngineRight(ctx.actor, engine);
  const content = contentOf(creation, engine);
  checkDefinition(engine, content.schema, content.parameters);
  refuseUnbatchable(engine, content.batchable);
  return await audited(ctx, { action: 'template.create', subject_type: 'template', subject_id: creation.name }, async (em) => {
    await checkBinding({ em, actor: ctx.actor }, { sla_id: creation.sla_id, scope: 'template' });
    const head = [
      creation.name,
      engine.kind,
      creation.description ?? '',
      JSON.stringify(content.schema),
      JSON.stringify(content.parameters),
      creation.sla_id ?? null,
    ];
    const made = await query(em, INSERT, head);
    if (made.length === 0) throw new EngineError('conflict', `template "${creation.name}": exists already; POST a new version`);
    await insertVersion(em, { template: creation.name, version: 1, content });
    if (creation.sla_id) await refuseCycles(em, creation.sla_id, '/sla_id');
    const detail = (await findTemplateDetail(em, creation.name)) as TemplateDetail;
    return { before: null, after: { ...detail, versions: undefined }, result: detail };
  });
}

const INSERT = `insert into templates (name, engine, description, schema, parameters, sla_id) values ($1, $2, $3, $4::jsonb, $5::jsonb, $6)
  on conflict do nothing returning name`;

function knownEngine(engines: Engines, kind: string): Engine {
  const engine = engines.byKind(kind);
  if (engine) return engine;
  const detail = `engine "${kind}": there is none; known: ${engines.all.map((e) => e.kind).join(', ')}`;
  throw new EngineError('invalid_input', detail, { errors: [{ pointer: '/engine', detail }] });
}

/** What its tasks share with others: places of a key, tokens, a workflow. */
const sharingOf = ({
  concurrency,
  rate_limit,
  batchable,
}: TemplateCreation): Pick<VersionContent, 'concurrency' | 'rate_limit' | 'batchable'> => ({
  concurrency: concurrency ?? null,
  rate_limit: storedRate(rate_limit),
  batchable: batchable ?? null,
});

function contentOf(creation: TemplateCreation, engine: Engine): VersionContent {
  return {
    schema: creation.schema ?? parameterSchema(engine),
    parameters: creation.parameters ?? {},
    queue: creation.queue ?? 'default',
    priority: creation.priority ?? 50,
    timeout: creation.timeout ?? 3600,
    cpu: creation.cpu ?? engine.defaults.cpu,
    memory_mb: creation.memory_mb ?? engine.defaults.memory_mb,
    retry_policy: { ...NO_RETRY, ...creation.retry_policy },
    at_most_once: creation.at_most_once ?? false,
    quota_cost: creation.quota_cost ?? 0,
    ...sharingOf(creation),
    ...clocksOf(creation),
  };
}
