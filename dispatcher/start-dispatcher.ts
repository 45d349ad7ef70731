import { createFolderStore } from '../artifacts/folder-store.ts';
import type { Config } from '../config/env.ts';
import { ensureSearchAttributes } from '../platform/search-attributes.ts';
import { AlertDeliverer } from './alert-deliverer.ts';
import { BreachStarter } from './breach-starter.ts';
import { BulkWorker } from './bulk-worker.ts';
import { Deliverer } from './deliverer.ts';
import type { DispatcherDeps } from './deps.ts';
import { DetectionKeeper } from './detection-keeper.ts';
import { Dispatcher } from './dispatcher.ts';
import { FeedPublisher } from './feed-publisher.ts';
import { FlamesKeeper } from './flames-keeper.ts';
import { Housekeeper } from './housekeeper.ts';
import { LostWorkers } from './lost-workers.ts';
import { OrchestratorWorker } from './orchestrator-worker.ts';
import { Reconciler } from './reconciler.ts';
import { ScheduleMirror } from './schedule-mirror.ts';
import { ScheduleSweeper } from './schedule-sweeper.ts';
import { createSenders } from './senders.ts';
import { SlaKeeper } from './sla-keeper.ts';
import { SlaSweeper } from './sla-sweeper.ts';
import { VideoKeeper } from './video-keeper.ts';

export type RunningDispatcher = { poke(): void; stop(): Promise<void> };

type Options = Omit<DispatcherDeps, 'config' | 'ensureSearchAttributes'> & { config: Config };

/** Starts a dispatcher, its reconciler and its housekeeper; both work until `stop`. */
export function startDispatcher(options: Options): RunningDispatcher {
  const { client, config } = options;
  const deps = {
    ...options,
    logger: options.logger.child({ component: 'dispatcher' }),
    ensureSearchAttributes: () => ensureSearchAttributes(client.connection as never, config.TEMPORAL_NAMESPACE),
  };
  const dispatcher = new Dispatcher(deps);
  const poke = () => dispatcher.poke();
  const senders = createSenders(config, options.fork);
  const deliverer = new Deliverer({ ...deps, senders });
  const acted = () => {
    poke();
    deliverer.poke();
  };
  const orchestrator = new OrchestratorWorker(deps, { fired: poke, acted });
  const slas = [new SlaSweeper(deps, new BreachStarter(deps, dispatcher.link)), new SlaKeeper(deps, poke)];
  const schedules = [new ScheduleMirror(deps, dispatcher.link), new ScheduleSweeper(deps, { poke, isWoken: () => orchestrator.polls })];
  const keepers = [new Reconciler(deps, dispatcher.link), new LostWorkers(deps, dispatcher.link), new Housekeeper({ ...deps, config })];
  const artifacts = createFolderStore(config.ARTIFACTS_DIR);
  const domains = [
    new VideoKeeper({ ...deps, artifacts }),
    new FlamesKeeper({ ...deps, places: { artifacts, old_dir: config.FLAMES_OLD_LOGS_DIR } }),
    new DetectionKeeper(deps),
    new AlertDeliverer({ ...deps, handedOver: () => deliverer.poke() }),
  ];
  const watchers = [
    ...keepers,
    ...domains,
    orchestrator,
    ...schedules,
    new BulkWorker(deps, poke),
    deliverer,
    new FeedPublisher(deps),
    ...slas,
  ];
  dispatcher.start();
  for (const watcher of watchers) watcher.start();
  return {
    poke,
    stop: async () => {
      await Promise.all([dispatcher.stop(), ...watchers.map((watcher) => watcher.stop())]);
      await senders.close();
    },
  };
}
