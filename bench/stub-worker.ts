import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { beginInstance } from '../activities/begin-instance.ts';
import { beginWave } from '../activities/begin-wave.ts';
import { Claimer } from '../activities/claimer.ts';
import type { ActivityDeps } from '../activities/deps.ts';
import { Finisher } from '../activities/finisher.ts';
import { makeLogStore } from '../activities/log-store.ts';
import { createFolderStore } from '../artifacts/folder-store.ts';
import { type Config, loadConfig } from '../config/env.ts';
import { createLogger, type Logger } from '../config/logger.ts';
import type { InstanceInput, WaveInput } from '../core/workflow-contract.ts';
import { Dispatcher } from '../dispatcher/dispatcher.ts';
import type { Engines } from '../engines/define-engine.ts';
import { createEngines } from '../engines/index.ts';
import { createOrm } from '../entities/orm.ts';
import type { Em } from '../entities/sql.ts';
import { LeaseKeeper } from '../worker/lease-keeper.ts';
import { Presence } from '../worker/presence.ts';
import { withEmptyEngine } from './empty-engine.ts';
import { serve } from './remote.ts';
import type { ProductOptions } from './sides.ts';

const ID = 'stub';
/** As in the worker. */
const CROWD = 12;

type Start = { args: [InstanceInput | WaveInput] };

/** In place of Temporal: what a workflow would ask the worker for is done at once, in this process. */
function stubClient(deps: ActivityDeps): Client {
  const start = async (_type: string, { args: [input] }: Start) => {
    const execution = { execution: 1, temporal_run_id: 'stub' };
    const work =
      'runid' in input
        ? beginInstance(deps, { runid: input.runid, ...execution })
        : beginWave(deps, { workflow_id: input.workflow_id, ...execution });
    work.end.catch((error: unknown) => process.stderr.write(`${error}\n`));
    return { eagerlyStarted: false };
  };
  const client = {
    workflow: { start },
    withDeadline: (_until: number, call: () => unknown) => call(),
    workflowService: { getSystemInfo: async () => ({}) },
  };
  return client as unknown as Client;
}

type Shared = { config: Config; logger: Logger; boot_id: string; keeper: LeaseKeeper; engines: Engines; fork(): Em };

/** What the activities of a worker work with, as `worker/start-worker.ts` makes it. */
function activityDeps({ config, logger, boot_id, keeper, engines, fork }: Shared, on_finished: () => void): ActivityDeps {
  const crowded = () => keeper.size >= CROWD;
  return {
    fork,
    engineOf: (kind) => engines.byKind(kind),
    worker: ID,
    boot_id,
    data_dir: config.DATA_DIR,
    log_cap_bytes: config.TASK_LOG_CAP_BYTES,
    artifacts: createFolderStore(config.ARTIFACTS_DIR),
    leases: keeper,
    logs: makeLogStore({ fork, logger }),
    claimer: new Claimer({ fork, worker: ID, boot_id, crowded }),
    finisher: new Finisher({ fork, actor: `worker:${ID}`, crowded, on_finished, logger }),
    secret: async () => '',
    workflowIsOpen: async () => true,
    logger,
  };
}

function makePresence({ config, logger, boot_id, engines, fork }: Shared): Presence {
  const size = { cpu: config.WORKER_CPU ?? null, memory_mb: config.WORKER_MEMORY_MB ?? null };
  const who = { id: ID, boot_id, pool: 'default', engines: engines.all, version: 'bench' };
  return new Presence({ fork, ...who, ...size, lost_after_s: config.LOST_AFTER_S, on_replaced: () => undefined, logger });
}

/** Dispatcher and worker as they are, without Temporal between them: what is left is the product's own cost. */
async function open({ env }: ProductOptions) {
  const config = loadConfig(env);
  const logger = createLogger(config, 'worker');
  const database_url = config.DATABASE_URL ?? '';
  const orm = await createOrm({ url: database_url, pool_max: config.DB_POOL_MAX, application_name: 'bench stub' });
  const fork = () => orm.em.fork() as Em;
  const boot_id = randomUUID();
  const keeper = new LeaseKeeper({ fork, boot_id, lost_after_s: config.LOST_AFTER_S, logger });
  const shared: Shared = { config, logger, boot_id, keeper, engines: withEmptyEngine(createEngines(config, ID)), fork };
  const client = stubClient(activityDeps(shared, () => dispatcher.poke()));
  const nothing = { temporal_address: '', ensureSearchAttributes: async () => undefined };
  const dispatcher = new Dispatcher({ ...shared, ...nothing, database_url, client, local_worker: { id: ID, begin: () => undefined } });
  const presence = makePresence(shared);
  await presence.register();
  presence.start();
  dispatcher.start();
  const close = async () => {
    await dispatcher.stop();
    await presence.leave();
    await presence.stop();
    keeper.stop();
    await orm.close(true);
  };
  return { methods: {}, close };
}

await serve(open);
