import { defineEntity, p } from '@mikro-orm/core';
import { ON_FAILURE } from '../core/sla.ts';
import type { Tree } from '../core/sla-plan.ts';
import { times } from './columns.ts';
import { SlaVersion } from './sla-version.ts';

const SlaConditionSchema = defineEntity({
  name: 'SlaCondition',
  tableName: 'sla_conditions',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    sla_version: () => p.manyToOne(SlaVersion).fieldName('sla_version_id').ref(),
    path: p.text(),
    parent: p.text().nullable(),
    name: p.text(),
    subject: p.enum(['task', 'group'] as const),
    kind: p.text(),
    limit_ms: p.bigint('number').nullable(),
    run_quantile: p.integer().nullable(),
    run_factor: p.double().nullable(),
    min_samples: p.integer().nullable(),
    stages: p.array<number>().columnType('int[]'),
    pause_aware: p.boolean().default(false),
    on_failure: p.enum(ON_FAILURE).default('void'),
    deadline_at: p.datetime(3).nullable(),
    max_attempts: p.integer().nullable(),
    assertion: p.text().nullable(),
    of_path: p.text().nullable(),
    margin_ms: p.bigint('number').nullable(),
    tree: p.json<Tree>().nullable(),
    spec: p.json<Record<string, unknown>>(),
    fingerprint: p.text(),
    ...times,
  },
  uniques: [{ name: 'sla_conditions_path_key', properties: ['sla_version', 'path'] }],
});

/** One condition of a version, or a member of one, as the database evaluates it; never changed. Columns: see `PlanRow`. */
export class SlaCondition extends SlaConditionSchema.class {}
SlaConditionSchema.setClass(SlaCondition);
