import { createDockerEngine } from '../../engines/docker/index.ts';
import { engineRun } from './engine-context.ts';

/** A process of its own that runs one docker task, to be killed by a test. Prints the task's output. Arguments: worker, runid, folder, parameters. */
const [worker = '', runid = '', folder = '', parameters = '{}'] = process.argv.slice(2);
const engine = createDockerEngine({ DOCKER_HOST: undefined, TASK_LOG_CAP_BYTES: 10_485_760 }, worker);
const run = await engineRun({ instance: { runid }, folder, onWrite: (chunk) => void process.stdout.write(chunk) });
await engine.run(engine.parameters.parse(JSON.parse(parameters)), run.context);
