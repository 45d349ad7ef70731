import { z } from 'zod';
import { NO_RETRY } from '../core/retry.ts';
import type { Engine, Engines } from '../engines/define-engine.ts';
import { type Em, query } from '../entities/sql.ts';
import { newApiKey } from './api-key.ts';
import { seedAlertRules } from './seed-alert-rules.ts';
import { writeAudit } from './write-audit.ts';

/** Size of the machine: cores and MB that its tasks may reserve together. */
export type SeedOptions = { cpu: number; memory_mb: number; engines: Engines };

const QUEUES = [
  { name: 'default', capacity: 100, priority: 50 },
  { name: 'bulk', capacity: 50, priority: 20 },
];

/**
 * What a fresh installation starts with: the pool and queues `default` and `bulk`, a template for each engine, two alert rules, and an administrator.
 * Does nothing to what is there already, so it runs at every start.
 * @returns the administrator's key when one was made now; it cannot be read again
 */
export async function seed(em: Em, { cpu, memory_mb, engines }: SeedOptions): Promise<{ admin_key: string | null }> {
  return await em.transactional(async (tx) => {
    const db = tx as Em;
    await query(db, `select pg_advisory_xact_lock(hashtext('orchestrator.seed'))`);
    await query(db, `insert into pools (name, total_cpu, total_memory) values ('default', $1, $2) on conflict do nothing`, [
      cpu,
      memory_mb,
    ]);
    for (const queue of QUEUES) {
      await query(db, `insert into queues (name, capacity, priority, pool) values ($1, $2, $3, 'default') on conflict do nothing`, [
        queue.name,
        queue.capacity,
        queue.priority,
      ]);
    }
    for (const engine of engines.all) await seedTemplate(db, engine);
    await seedAlertRules(db);
    return { admin_key: await seedAdministrator(db) };
  });
}

async function seedTemplate(em: Em, engine: Engine): Promise<void> {
  await query(
    em,
    `with t as (
       insert into templates (name, engine, description, schema) values ($1, $1, $2, $3::jsonb) on conflict do nothing returning name)
     insert into template_versions (template, version, schema, parameters, queue, cpu, memory_mb, retry_policy, quota_cost)
     select name, 1, $3::jsonb, '{}'::jsonb, 'default', $4, $5, $6::jsonb, $7 from t`,
    [
      engine.kind,
      engine.summary,
      JSON.stringify(parameterSchema(engine)),
      engine.defaults.cpu,
      engine.defaults.memory_mb,
      JSON.stringify(NO_RETRY),
      engine.defaults.quota_cost ?? 0,
    ],
  );
}

/** JSON Schema (2020-12) of what an engine takes, as users write it. */
export const parameterSchema = (engine: Engine): Record<string, unknown> =>
  z.toJSONSchema(engine.parameters, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any' }) as Record<string, unknown>;

async function seedAdministrator(em: Em): Promise<string | null> {
  const rows = await query<{ id: number }>(
    em,
    `insert into users (username, role, quota) select 'admin', 'admin', null where not exists (select 1 from users where role = 'admin')
     on conflict do nothing returning id::int4 as id`,
  );
  const id = rows[0]?.id;
  if (id === undefined) return null;
  const { key, hash } = newApiKey(id);
  await query(em, `update users set api_key = $2 where id = $1`, [id, hash]);
  const entry = { actor: 'system', request_id: null, action: 'user.create', subject_type: 'user', subject_id: String(id) };
  await writeAudit(em, { ...entry, after: { username: 'admin', role: 'admin' } });
  return key;
}
