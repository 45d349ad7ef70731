import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { commandLine } from '../../platform/pid-file.ts';
import { ensureExternalTemporal, ensureSearchAttributes, SEARCH_ATTRIBUTES } from '../../platform/search-attributes.ts';
import { lastWords, startTemporalServer, type TemporalServer } from '../../platform/temporal-server.ts';
import { eventually } from '../support/eventually.ts';
import { temporalAddress } from '../support/test-servers.ts';
import { dataFolder } from './fixtures/folder.ts';

async function connected<T>(address: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address });
  return await work(connection).finally(() => connection.close());
}

test('of a crash the error is told, not the stack that follows it', () => {
  const error =
    '{"level":"ERROR","msg":"Failed to start gRPC listener","error":"listen tcp 127.0.0.1:43875: bind: address already in use"}';
  const stack = Array.from({ length: 30 }, (_, i) => `main.f${i}(0x0)`).join('\n');
  expect(lastWords(`{"level":"INFO"}\n${error}\npanic: runtime error: nil pointer\n${stack}\n`)).toBe(
    `${error} | panic: runtime error: nil pointer`,
  );
  expect(lastWords('a\nb\nc\nd\n')).toBe('b | c | d');
});

describe('Temporal server', () => {
  let data_dir: string;
  let remove: () => Promise<void>;
  const started: TemporalServer[] = [];
  const start = async (port = 0) => {
    const server = await startTemporalServer({ data_dir, host: '127.0.0.1', port, ui_port: null, namespace: 'default' });
    started.push(server);
    return server;
  };
  const pidOf = async () => Number(await readFile(path.join(data_dir, 'temporal.pid'), 'utf8'));

  beforeEach(async () => {
    ({ data_dir, remove } = await dataFolder());
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((server) => server.stop()));
    await remove();
  });

  it('still has a workflow, with its search attributes, after it was killed with SIGKILL', async () => {
    const first = await start();
    await connected(first.address, async (connection) => {
      const start = {
        taskQueue: 'nobody',
        workflowId: 'task/kept/1',
        searchAttributes: { OrchQueue: ['gpu'], OrchPriority: [7], OrchTaskIds: ['a', 'b'] },
      };
      await new Client({ connection }).workflow.start('shellTask', start);
    });
    process.kill(await pidOf(), 'SIGKILL');
    expect((await first.exited).signal).toBe('SIGKILL');
    const second = await start();
    await connected(second.address, async (connection) => {
      const found = await new Client({ connection }).workflow.getHandle('task/kept/1').describe();
      expect(found.status.name).toBe('RUNNING');
      expect(found.searchAttributes).toMatchObject({ OrchQueue: ['gpu'], OrchPriority: [7], OrchTaskIds: ['a', 'b'] });
    });
  });

  it('takes the next port when the wanted one is occupied', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as { port: number };
    const { address } = await start(port);
    occupant.close();
    expect(Number(address.split(':')[1])).toBeGreaterThan(port);
  });

  it('does not touch a stranger who has the number in its pid file', async () => {
    await writeFile(path.join(data_dir, 'temporal.pid'), `${process.ppid}\n`);
    await start();
    expect(commandLine(process.ppid)).not.toBeNull();
  });

  it('ends the server that another start left on the same data', async () => {
    const first = await start();
    const pid = await pidOf();
    await start();
    expect(commandLine(pid)).toBeNull();
    await first.exited;
  });

  it('leaves nothing running when it is stopped', async () => {
    const server = await start();
    const pid = await pidOf();
    await server.stop();
    expect(commandLine(pid)).toBeNull();
  });
});

describe('search attributes', () => {
  it('are registered once however often they are ensured', async () => {
    await connected(temporalAddress(), async (connection) => {
      await ensureSearchAttributes(connection, 'default');
      await ensureSearchAttributes(connection, 'default');
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
      expect(customAttributes).toMatchObject(SEARCH_ATTRIBUTES);
    });
  });

  it('of an external server are refused with a reason when it does not answer', async () => {
    const config = { TEMPORAL_ADDRESS: '127.0.0.1:9', TEMPORAL_NAMESPACE: 'default', TEMPORAL_TLS: false, TEMPORAL_API_KEY: undefined };
    await expect(ensureExternalTemporal(config)).rejects.toThrow(/Temporal at 127\.0\.0\.1:9.*TEMPORAL_ADDRESS/);
    await eventually(() => ensureExternalTemporal({ ...config, TEMPORAL_ADDRESS: temporalAddress() }));
  });
});
