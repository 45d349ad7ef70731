import { createShellEngine } from '../../engines/shell/index.ts';
import { engineRun } from './engine-context.ts';

/** A process of its own that runs one long shell task with children everywhere, to be killed by a test. Prints `ready`. */
const engine = createShellEngine({ ENGINE_SHELL: true, SHELL_UID_BASE: 64_000 }, 'killed-worker');
const run = await engineRun({ instance: { runid: 'killed-worker-run' }, onWrite: (chunk) => void process.stdout.write(chunk) });
const script = 'sleep 300 & setsid sleep 300 & sleep 0.3; echo ready; wait';
await engine.run(engine.parameters.parse({ script }), run.context);
