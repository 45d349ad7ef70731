import type { Outcome } from '../../core/outcome.ts';
import { createDetectionEngine } from '../../engines/detection/index.ts';
import type { Em } from '../../entities/sql.ts';
import type { TestDatabase } from './database.ts';
import { runningInstance } from './detections.ts';
import { engineRun, type TestRun } from './engine-context.ts';

/** The engine as a worker has it, with files below `roots`. */
export const makeDetectionEngine = (roots: string[], outbound: string[] = ['127.0.0.1']) =>
  createDetectionEngine(
    {
      DETECTION_ROOTS: roots,
      DETECTION_SAVE_INTERVAL: 10,
      DETECTION_QUEUE_MB: 8,
      SHELL_UID_BASE: 64_000,
      ENGINE_SHELL: true,
      DOCKER_HOST: undefined,
      TASK_LOG_CAP_BYTES: 1e6,
      OUTBOUND_ALLOW: outbound,
    },
    `detection-${process.pid}`,
  );

export type DetectionInstance = Awaited<ReturnType<typeof runningInstance>>;

/** Surroundings of a run of a claimed instance. `folder`: where its artifacts are, if they are looked at afterwards. */
export const openDetectionRun = async (db: TestDatabase, more: { instance?: DetectionInstance; folder?: string } = {}): Promise<TestRun> =>
  await engineRun({
    em: () => db.orm.em.fork() as Em,
    instance: more.instance ?? (await runningInstance(db.em)),
    ...(more.folder === undefined ? {} : { folder: more.folder }),
  });

/** Runs to its end. */
export async function runDetectionTask(
  engine: ReturnType<typeof makeDetectionEngine>,
  run: TestRun,
  parameters: Record<string, unknown>,
): Promise<Outcome> {
  try {
    return await engine.run(engine.parameters.parse(parameters), run.context);
  } finally {
    await run.close();
  }
}
