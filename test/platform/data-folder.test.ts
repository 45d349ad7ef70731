import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { resolveEndpoints } from '../../platform/connect.ts';
import { readEndpoints, writeEndpoints } from '../../platform/endpoints.ts';
import { freePort } from '../../platform/ports.ts';
import { claimDataFolder, dataFolderHolder } from '../../platform/run-lock.ts';
import { temporalAddress, testServers } from '../support/test-servers.ts';
import { dataFolder } from './fixtures/folder.ts';

describe('data folder', () => {
  let data_dir: string;
  let remove: () => Promise<void>;
  beforeEach(async () => {
    ({ data_dir, remove } = await dataFolder());
  });
  afterEach(() => remove());
  const lock = (text: string) => writeFile(path.join(data_dir, 'run.lock'), text);

  it('is given back and can be claimed again', () => {
    claimDataFolder(data_dir, 'a test')();
    claimDataFolder(data_dir, 'a test')();
    expect(dataFolderHolder(data_dir)).toBeNull();
  });

  it('is taken over from a process that is dead', async () => {
    await lock('999999999\nnpm start\nnode platform/start.ts\n');
    claimDataFolder(data_dir, 'a test')();
  });

  it('is taken over when the number meanwhile belongs to another program', async () => {
    await lock(`${process.ppid}\nnpm start\nnode platform/start.ts of long ago\n`);
    claimDataFolder(data_dir, 'a test')();
  });

  it('is refused with a reason where nothing can be written', async () => {
    await writeFile(path.join(data_dir, 'file'), '');
    expect(() => claimDataFolder(path.join(data_dir, 'file', 'data'), 'a test')).toThrow(/cannot be written to.*DATA_DIR/);
  });

  it('gives no connections when nothing runs, and says what to do', async () => {
    const config = { DATA_DIR: data_dir, DATABASE_URL: undefined, TEMPORAL_ADDRESS: undefined, TEMPORAL_UI_URL: undefined };
    await expect(resolveEndpoints(config)).rejects.toThrow(/run "npm start", or set DATABASE_URL/);
    writeEndpoints(data_dir, {
      api: '',
      docs: '',
      temporal_ui: null,
      temporal_address: '127.0.0.1:9',
      database_url: testServers().postgres_url,
    });
    await expect(resolveEndpoints(config)).rejects.toThrow(/does not answer at 127\.0\.0\.1:9.*set TEMPORAL_ADDRESS/);
  });

  it('gives the connections of a running system, and the configured ones before them', async () => {
    const database_url = new URL('/postgres', testServers().postgres_url).href;
    const written = {
      api: 'http://127.0.0.1:3000',
      docs: '',
      temporal_ui: 'http://127.0.0.1:8233',
      temporal_address: temporalAddress(),
      database_url,
    };
    writeEndpoints(data_dir, written);
    expect(readEndpoints(data_dir)).toEqual(written);
    const config = { DATA_DIR: data_dir, DATABASE_URL: undefined, TEMPORAL_ADDRESS: undefined, TEMPORAL_UI_URL: undefined };
    expect(await resolveEndpoints(config)).toEqual({
      database_url,
      temporal_address: temporalAddress(),
      temporal_ui: 'http://127.0.0.1:8233',
    });
    const outside = { ...config, DATABASE_URL: 'postgres://elsewhere/x', TEMPORAL_ADDRESS: 'elsewhere:7233' };
    expect(await resolveEndpoints(outside)).toMatchObject({ database_url: 'postgres://elsewhere/x', temporal_address: 'elsewhere:7233' });
  });
});

describe('free port', () => {
  it('is the wanted one, or the next that is neither occupied nor promised', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const next = await freePort('127.0.0.1', port);
    expect(next).toBeGreaterThan(port);
    expect(await freePort('127.0.0.1', port, new Set([next]))).toBeGreaterThan(next);
    server.close();
  });

  it('is refused on an address of another machine', async () => {
    await expect(freePort('203.0.113.1', 5433)).rejects.toThrow(/no free port.*HOST/);
  });
});
