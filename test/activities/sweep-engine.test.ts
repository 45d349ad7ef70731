import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { sweepEngine } from '../../activities/sweep-engine.ts';
import { admit } from '../../commands/admit.ts';
import { finishInstances } from '../../commands/finish-instances.ts';
import { registerWorker } from '../../commands/register-worker.ts';
import { completed } from '../../core/outcome.ts';
import type { Engine } from '../../engines/define-engine.ts';
import { openRoom, type Room } from '../e2e/room.ts';

let room: Room;
beforeAll(async () => {
  room = await openRoom();
  await registerWorker(room.fork(), {
    id: 'w1',
    pool: 'default',
    hostname: 'nowhere',
    pid: 1,
    boot_id: '01a1fd80-0000-4000-8000-000000000001',
    version: 'test',
    total_cpu: 8,
    total_memory: 8_000,
    engines: ['empty'],
    unavailable: {},
    docker_id: null,
  });
});
afterAll(async () => {
  await room.close();
});

/** What an engine would keep of these instances. */
async function kept(runids: string[], gone: string[] = []): Promise<boolean[]> {
  let answers: boolean[] = [];
  const sweep = async (live: ReadonlySet<string>) => {
    answers = runids.map((runid) => live.has(runid));
  };
  await sweepEngine({ fork: () => room.fork(), logger: pino({ level: 'silent' }) }, { sweep } as unknown as Engine, gone);
  return answers;
}

test('a sweep keeps what is live or too young to be known, and removes what is final, old and unknown, or given up', async () => {
  await room.submit([{ template: 'empty' }, { template: 'empty' }, { template: 'empty' }]);
  const [live, final, given_up] = (await admit(room.fork())).map(({ runid }) => runid) as [string, string, string];
  await finishInstances(room.fork(), [{ runid: final, lease_epoch: null, outcome: completed({}) }], 'test');
  const old = '018f0000-0000-7000-8000-000000000000';
  expect(await kept([live, final, given_up, uuidv7(), old], [given_up])).toEqual([true, false, false, true, false]);
});
