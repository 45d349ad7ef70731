import type { Logger } from 'pino';
import type { Config } from '../../config/env.ts';
import { ended } from '../../core/outcome.ts';
import { defineEngine } from '../define-engine.ts';
import { ShellGuard } from './guard.ts';
import { removeSpares } from './home.ts';
import { ShellParameters, ShellResult } from './parameters.ts';
import { killAll } from './processes.ts';
import { runShell, type ShellHost } from './run.ts';
import { canChangeUser, killUnowned } from './user-ids.ts';

type Availability = { ok: true } | { ok: false; reason: string };

function availability(config: Pick<Config, 'ENGINE_SHELL'>): Availability {
  if (!config.ENGINE_SHELL) return { ok: false, reason: 'shell tasks are switched off here: ENGINE_SHELL=off' };
  if (process.platform === 'win32') return { ok: false, reason: 'shell tasks need Linux or macOS' };
  return { ok: true };
}

/** Kills what earlier processes of this worker, or workers that are gone, left running. Tasks of other workers alive are not touched. */
async function sweep(host: ShellHost, live: ReadonlySet<string>, logger: Logger): Promise<void> {
  const isLeftover = (runid: string): boolean => !live.has(runid) && !host.active.has(runid);
  const marked = await killAll(({ runid, worker }) => worker === host.worker && runid !== null && isLeftover(runid));
  const unowned = canChangeUser() ? await killUnowned(host.uid_base) : 0;
  await removeSpares(host.worker, isLeftover);
  if (marked + unowned > 0) logger.warn({ processes: marked + unowned }, 'killed left-over processes of shell tasks');
}

/**
 * Runs a command on the worker, for those who have the right.
 * @param worker id of the worker, by which its own leftovers are told from those of others
 */
export function createShellEngine(config: Pick<Config, 'ENGINE_SHELL' | 'SHELL_UID_BASE'>, worker: string) {
  const host: ShellHost = { worker, uid_base: config.SHELL_UID_BASE, guard: new ShellGuard(), active: new Set() };
  return defineEngine({
    kind: 'shell',
    summary: 'Runs a command or a script on the worker',
    parameters: ShellParameters,
    result: ShellResult,
    on_worker_lost: 'new_instance',
    batchable: 'by_template',
    right: 'shell',
    defaults: { cpu: 0.5, memory_mb: 128 },
    available: async () => availability(config),
    run: async (parameters, context) => {
      const usable = availability(config);
      return usable.ok ? await runShell(host, parameters, context) : ended('failed', { code: 'engine_off', message: usable.reason });
    },
    sweep: (live, logger) => sweep(host, live, logger),
  });
}
