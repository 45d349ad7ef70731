import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type Gauges, readGauges } from '../entities/metrics.queries.ts';
import type { MikroORM } from '../entities/orm.ts';

export type HttpMetrics = { observe(request: { method: string; route: string; status: number; seconds: number }): void };

/** `text()` is the page that Prometheus scrapes; database gauges on it are at most a second old. */
export type Metrics = HttpMetrics & { content_type: string; text(): Promise<string> };

const CACHE_MS = 1_000;
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const GAUGES: Record<keyof Gauges, { help: string; labels: string[] }> = {
  tasks: { help: 'tasks by status; final ones of the last 24 hours', labels: ['status'] },
  queue_depth: { help: 'tasks waiting in a queue', labels: ['queue'] },
  queue_load: { help: 'instances of a queue that hold resources', labels: ['queue'] },
  queue_capacity: { help: 'instances of a queue that may hold resources', labels: ['queue'] },
  queue_oldest_seconds: { help: 'age of the task that has been queued longest', labels: ['queue'] },
  pool_total_cpu: { help: 'cores of a pool', labels: ['pool'] },
  pool_used_cpu: { help: 'cores of a pool that are reserved', labels: ['pool'] },
  pool_total_memory_mb: { help: 'memory of a pool in MB', labels: ['pool'] },
  pool_used_memory_mb: { help: 'memory of a pool that is reserved, in MB', labels: ['pool'] },
  workers: { help: 'workers by pool and status; alive ones only are active or drain', labels: ['pool', 'status'] },
  sla_open_clocks: { help: 'clocks that run', labels: ['sla'] },
  sla_open_breaches: { help: 'breaches that are not resolved', labels: ['sla', 'state'] },
  sla_overdue_seconds: {
    help: 'how long the longest overdue clock has waited to be told of; more than 10 means that no dispatcher sweeps',
    labels: [],
  },
  sla_fire_lag_seconds: { help: 'time from a due time to its breach, of breaches of the last hour', labels: ['quantile'] },
  sla_actions: { help: 'actions of breaches of the last 24 hours by result', labels: ['action', 'result'] },
  deliveries: { help: 'webhooks and mails of the last 24 hours by state', labels: ['channel', 'state'] },
  retention_removed_rows: { help: 'rows that the latest run of the retention removed', labels: ['table'] },
  retention_last_success_timestamp_seconds: { help: 'when the retention last came to its end', labels: [] },
  flames_runs: { help: 'evaluations that have not ended, by status', labels: ['status'] },
  flames_log_rows: { help: 'rows of evaluations in their table, as PostgreSQL estimates them', labels: [] },
  flames_log_bytes: { help: 'size of that table with its indexes, in bytes', labels: [] },
  flames_waiting_for_repair: { help: 'evaluations whose rows or figures are not complete in the database', labels: [] },
};

/** The process's own registry: nothing global, so that several applications can live in one process. */
export function createMetrics(orm: MikroORM, lostAfterS: number): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const durations = new Histogram({
    name: 'orchestrator_http_request_duration_seconds',
    help: 'time from request to the end of the answer',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  });
  const gauges = Object.entries(GAUGES).map(([key, { help, labels }]) => {
    const gauge = new Gauge({ name: `orchestrator_${key}`, help, labelNames: labels, registers: [registry] });
    return { key: key as keyof Gauges, gauge };
  });
  let fresh_until = 0;
  let refreshing: Promise<void> | null = null;

  const refresh = async (): Promise<void> => {
    const values = await readGauges(orm.em.fork(), lostAfterS);
    for (const { key, gauge } of gauges) {
      gauge.reset();
      for (const { labels, value } of values[key]) gauge.set(labels, value);
    }
    fresh_until = Date.now() + CACHE_MS;
  };

  return {
    content_type: registry.contentType,
    observe: ({ method, route, status, seconds }) => durations.observe({ method, route, status }, seconds),
    async text() {
      if (Date.now() > fresh_until) {
        refreshing ??= refresh().finally(() => {
          refreshing = null;
        });
        await refreshing;
      }
      return await registry.metrics();
    },
  };
}
