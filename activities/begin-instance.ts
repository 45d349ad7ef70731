import type { InstanceReport } from '../core/workflow-contract.ts';
import type { StopReason } from '../engines/define-engine.ts';
import type { Work } from './at-work.ts';
import type { ActivityDeps } from './deps.ts';
import type { EngineRun } from './engine-run.ts';
import { type Execution, runInstance } from './run-instance.ts';

/** Begins one execution of an instance. A stop that comes before its engine has started is kept for it. */
export function beginInstance(deps: ActivityDeps, execution: Execution): Work<InstanceReport> {
  let run: EngineRun | null = null;
  let wanted: StopReason | null = null;
  const end = runInstance(deps, execution, (opened) => {
    run = opened;
    if (wanted) opened.stop(wanted);
  });
  return {
    end,
    stop: (reason) => {
      wanted ??= reason;
      run?.stop(reason);
    },
    sign: () => ({ progress: run?.lease.progress ?? 0, note: run?.lease.note ?? null }),
  };
}
