import { TestWorkflowEnvironment } from '@temporalio/testing';
import { TEMPORAL_VERSION } from './temporal-binary.ts';

/** Entry point: `node platform/temporal-sdk-download.ts <folder>` leaves the server's binary in the folder. The SDK downloads by starting it once. */
const [folder] = process.argv.slice(2);
if (!folder) throw new TypeError('usage: temporal-sdk-download.ts <folder>');
const environment = await TestWorkflowEnvironment.createLocal({
  server: { executable: { type: 'cached-download', version: `v${TEMPORAL_VERSION}`, downloadDir: folder }, ui: false },
});
await environment.teardown();
