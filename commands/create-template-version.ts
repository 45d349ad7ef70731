import { EngineError } from '../core/errors.ts';
import type { Engines } from '../engines/define-engine.ts';
import { query } from '../entities/sql.ts';
import { findTemplate, findTemplateDetail } from '../entities/template.queries.ts';
import { storedRate } from '../schemas/rate-limit.ts';
import type { Template, TemplateDetail, TemplateVersionCreation } from '../schemas/template.ts';
import { audited } from './audited.ts';
import { type CommandContext, requireEngineRight } from './context.ts';
import { clocksOf, insertVersion, type VersionContent } from './insert-template-version.ts';
import { lockRow } from './lock-row.ts';
import { checkDefinition } from './parameter-schema.ts';

/** What is left out of `change` stays as in the current version. */
export type VersionRequest = { name: string; change: TemplateVersionCreation };

/**
 * Adds a version to a template and makes it the current one. Tasks that were submitted before keep theirs.
 * @throws EngineError not_found; forbidden: see `requireEngineRight`; invalid_input: bad schema, defaults or queue; conflict: its engine is not
 * part of this installation
 */
export async function createTemplateVersion(
  ctx: CommandContext,
  { name, change }: VersionRequest,
  engines: Engines,
): Promise<TemplateDetail> {
  return await audited(ctx, { action: 'template.new_version', subject_type: 'template', subject_id: name }, async (em) => {
    await lockRow(em, 'templates', name);
    const before = (await findTemplate(em, name)) as Template;
    const engine = engines.byKind(before.engine);
    if (!engine) throw new EngineError('conflict', `template "${name}": engine "${before.engine}" is not part of this installation`);
    requireEngineRight(ctx.actor, engine);
    const content = mergeContent(before, change);
    checkDefinition(engine, content.schema, content.parameters);
    const version = before.current_version + 1;
    await insertVersion(em, { template: name, version, content });
    const head = [
      name,
      version,
      change.description ?? before.description,
      JSON.stringify(content.schema),
      JSON.stringify(content.parameters),
    ];
    await query(em, UPDATE, head);
    const detail = (await findTemplateDetail(em, name)) as TemplateDetail;
    return { before, after: { ...detail, versions: undefined }, result: detail };
  });
}

const UPDATE = 'update templates set current_version = $2, description = $3, schema = $4::jsonb, parameters = $5::jsonb where name = $1';

function mergeContent(before: Template, change: TemplateVersionCreation): VersionContent {
  const { description: _, retry_policy, ...rest } = change;
  const { schema, parameters, queue, priority, timeout, cpu, memory_mb, at_most_once, quota_cost, concurrency, rate_limit } = {
    ...before,
    ...rest,
  };
  const policy = { ...before.retry_policy, ...retry_policy };
  const clocks = clocksOf({ ...before, ...rest });
  return {
    schema,
    parameters,
    queue,
    priority,
    timeout,
    cpu,
    memory_mb,
    at_most_once,
    quota_cost,
    concurrency,
    rate_limit: storedRate(rate_limit),
    retry_policy: policy,
    ...clocks,
  };
}
