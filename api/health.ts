import { connect } from 'node:net';
import { Router } from 'express';
import type { MikroORM } from '../entities/orm.ts';
import { query } from '../entities/sql.ts';
import type { AppParts } from './create-app.ts';
import type { Metrics } from './metrics.ts';
import { localsOf } from './request-log.ts';

/** `detail`: null when all is well. A check that is not `required` informs only. */
type Check = { ok: boolean; required: boolean; detail: string | null; ms: number };

const CHECK_MS = 2_000;

/** /healthz: the process answers. /readyz: it can serve. /metrics: for Prometheus. None asks for a key, none tells names or texts of users. */
export function healthRouter(parts: AppParts, metrics: Metrics): Router {
  const router = Router();
  router.get('/healthz', (_req, res) => {
    localsOf(res).route = '/healthz';
    res.json({ status: 'ok' });
  });
  router.get('/readyz', async (_req, res) => {
    localsOf(res).route = '/readyz';
    const checks = await readiness(parts);
    const ready = Object.values(checks).every((check) => check.ok || !check.required);
    res.status(ready ? 200 : 503).set('Cache-Control', 'no-store');
    res.json({ status: ready ? 'ready' : 'not ready', checks });
  });
  router.get('/metrics', async (_req, res) => {
    localsOf(res).route = '/metrics';
    res
      .set('Cache-Control', 'no-store')
      .type(metrics.content_type)
      .send(await metrics.text());
  });
  return router;
}

/** Submitting works without Temporal, so its absence is shown and does not take the API out of service. */
async function readiness({ orm, temporal_address, stopping }: AppParts): Promise<Record<string, Check>> {
  const [database, migrations, temporal] = await Promise.all([
    timed(true, () => query(orm.em.fork(), 'select 1')),
    timed(true, () => noPendingMigrations(orm)),
    timed(false, () => reach(temporal_address)),
  ]);
  const running = await timed(true, async () => {
    if (stopping.aborted) throw new Unwell('the server is stopping');
  });
  return { database, migrations, temporal, running };
}

class Unwell extends Error {}

/** Texts of foreign errors may hold addresses and SQL, so only our own are shown. */
async function timed(required: boolean, check: () => Promise<unknown>): Promise<Check> {
  const started = performance.now();
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Unwell('no answer in time')), CHECK_MS).unref());
  const detail = await Promise.race([check(), late]).then(
    () => null,
    (error: unknown) => (error instanceof Unwell ? error.message : 'cannot be reached'),
  );
  return { ok: detail === null, required, detail, ms: Math.round(performance.now() - started) };
}

async function noPendingMigrations(orm: MikroORM): Promise<void> {
  const [known, applied] = [orm.config.get('migrations').migrationsList ?? [], await appliedMigrations(orm)];
  const pending = known.map((m) => ('name' in m ? m.name : '')).filter((name) => !applied.has(name));
  if (pending.length > 0) throw new Unwell(`pending: ${pending.join(', ')}`);
}

async function appliedMigrations(orm: MikroORM): Promise<Set<string>> {
  const [table] = await query<{ there: boolean }>(orm.em.fork(), `select to_regclass('schema_migrations') is not null as there`);
  if (!table?.there) return new Set();
  const rows = await query<{ name: string }>(orm.em.fork(), 'select name from schema_migrations');
  return new Set(rows.map(({ name }) => name));
}

async function reach(address: string | null): Promise<void> {
  if (address === null) throw new Unwell('not configured');
  const url = new URL(`tcp://${address}`);
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 7233), timeout: CHECK_MS });
    socket.once('connect', () => resolve());
    socket.once('error', () => reject(new Unwell('cannot be reached')));
    socket.once('timeout', () => reject(new Unwell('no answer in time')));
    for (const event of ['connect', 'timeout']) socket.once(event, () => socket.destroy());
  });
}
