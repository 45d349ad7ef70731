import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { type Work, WorksAtWork } from '../../activities/at-work.ts';

const KEPT_MS = 50;

type Report = { status: string };
const logger = pino({ level: 'silent' });

/** Work that ends when it is told to; `begun` counts how often it was begun. */
function makeWork() {
  const { promise, resolve, reject } = Promise.withResolvers<Report>();
  const state = { begun: 0 };
  const begin = (): Work<Report> => {
    state.begun += 1;
    return { end: promise, stop: () => undefined, sign: () => null };
  };
  return { state, begin, end: () => resolve({ status: 'completed' }), fail: () => reject(new Error('interrupted')) };
}

describe('work that is begun ahead of its activity', () => {
  let works: WorksAtWork;
  beforeEach(() => {
    works = new WorksAtWork({ logger, workflowIsOpen: async () => true }, KEPT_MS);
  });

  it('is joined while it is under way', async () => {
    const { state, begin, end } = makeWork();
    works.beginAhead('a', begin);
    const joined = works.join('a', begin);
    end();
    await expect(joined.end).resolves.toEqual({ status: 'completed' });
    expect(state.begun).toBe(1);
  });

  it('is joined once after it has ended', async () => {
    const { state, begin, end } = makeWork();
    works.beginAhead('a', begin);
    end();
    await works.settled();
    await expect(works.join('a', begin).end).resolves.toEqual({ status: 'completed' });
    expect(state.begun).toBe(1);
    works.join('a', begin);
    expect(state.begun).toBe(2);
  });

  it('hands on that it was interrupted', async () => {
    const { state, begin, fail } = makeWork();
    works.beginAhead('a', begin);
    fail();
    await works.settled();
    await expect(works.join('a', begin).end).rejects.toThrow('interrupted');
    expect(state.begun).toBe(1);
  });

  it('is forgotten when nobody asks for it', async () => {
    const { state, begin, end } = makeWork();
    works.beginAhead('a', begin);
    end();
    await works.settled();
    await pause(2 * KEPT_MS);
    works.join('a', begin);
    expect(state.begun).toBe(2);
  });

  it('is not begun where an activity was faster', async () => {
    const { state, begin, end } = makeWork();
    works.join('a', begin);
    works.beginAhead('a', begin);
    expect(state.begun).toBe(1);
    end();
    await works.settled();
    works.join('a', begin);
    expect(state.begun).toBe(2);
  });

  it('is told to stop with all the rest', async () => {
    const told: string[] = [];
    const { begin, end } = makeWork();
    works.beginAhead('a', () => ({ ...begin(), stop: (reason) => told.push(reason) }));
    works.stopAll('shutdown');
    end();
    await works.settled();
    works.stopAll('shutdown');
    expect(told).toEqual(['shutdown']);
  });

  it('is waited for by an end of the process', async () => {
    const { begin, end } = makeWork();
    works.beginAhead('a', begin);
    let settled = false;
    const waiting = works.settled().then(() => (settled = true));
    await pause(10);
    expect(settled).toBe(false);
    end();
    await waiting;
  });
});
