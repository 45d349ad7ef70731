import { Client, Connection } from '@temporalio/client';
import { pino } from 'pino';
import { uuidv7 as uuid } from 'uuidv7';
import type { AdmittedInstance } from '../../commands/admit.ts';
import { WAVE_MOST, WAVE_USUAL } from '../../core/waves.ts';
import type { DispatcherDeps } from '../../dispatcher/deps.ts';
import { TemporalLink } from '../../dispatcher/temporal-link.ts';
import { WorkflowStarter } from '../../dispatcher/workflow-starter.ts';
import { openRoom, type Room } from '../e2e/room.ts';
import { temporalAddress } from '../support/database.ts';

let room: Room;
let connection: Connection;
let client: Client;
let said: string[];
let starter: WorkflowStarter;

beforeAll(async () => {
  room = await openRoom({});
  connection = await Connection.connect({ address: temporalAddress() });
  client = new Client({ connection, namespace: room.namespace });
});
afterAll(async () => {
  await connection.close();
  await room.close();
});
beforeEach(() => {
  said = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) });
  const deps = { client, config: room.config(), engines: { all: [], byKind: () => undefined }, local_worker: null, logger };
  starter = new WorkflowStarter(deps as unknown as DispatcherDeps, new TemporalLink(client, logger));
});

/** Instances that nobody admitted: starting their workflow asks no database. */
function wave(size: number, id = uuid): AdmittedInstance[] {
  const workflow_id = `wave/${uuid()}`;
  const place = { worker: 'nobody', engine: 'http', queue: 'default', pool: 'default', template: 't', user: 'ada', name: 'n' };
  return Array.from({ length: size }, () => ({
    runid: uuid(),
    task_id: id(),
    attempt: 1,
    workflow_id,
    ...place,
    priority: 50,
    timeout: 60,
    p90_s: 0.1,
  }));
}

async function searchableOf(members: readonly AdmittedInstance[]): Promise<unknown> {
  starter.start(members);
  await starter.settled();
  const { searchAttributes } = await client.workflow.getHandle(members[0]?.workflow_id ?? '').describe();
  return searchAttributes.OrchTaskIds;
}

describe('the start of a wave', () => {
  it(`tells Temporal the uuids of ${WAVE_MOST} tasks`, async () => {
    const members = wave(WAVE_MOST);
    expect(await searchableOf(members)).toEqual(members.map(({ task_id }) => task_id));
    expect(said).toEqual([]);
  });

  it('tells fewer to a Temporal that refuses so many, and says so once', async () => {
    const longId = () => `${uuid()}-${'x'.repeat(20)}`; // this server allows as much as uuids need
    const members = wave(WAVE_MOST, longId);
    const first = members.slice(0, WAVE_USUAL).map(({ task_id }) => task_id);
    expect(await searchableOf(members)).toEqual(first);
    expect(await searchableOf(wave(WAVE_MOST, longId))).toHaveLength(WAVE_USUAL);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('frontend.searchAttributesSizeOfValueLimit');
  });
});
