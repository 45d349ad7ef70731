import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { RecurringWork } from '../../dispatcher/recurring-work.ts';
import { eventually } from '../support/eventually.ts';

type Doing = (stopping: AbortSignal, now: Date) => Promise<void>;
const NOTHING: Doing = async () => undefined;

let said: { level: number; msg: string; err?: { message: string } }[] = [];
const logger = pino({ level: 'debug' }, { write: (line: string) => void said.push(JSON.parse(line)) });

/** Work that a test can hold up, count and break. */
class Sample extends RecurringWork {
  begun = 0;
  at_once = 0;
  most_at_once = 0;
  readonly times: Date[] = [];
  private readonly doing: Doing;

  constructor(doing: Doing, { every_ms = 5, warns = false } = {}) {
    super({ every_ms, failure: 'the sample failed', warns, logger });
    this.doing = doing;
  }

  protected async work(now: Date): Promise<void> {
    this.begun += 1;
    this.at_once += 1;
    this.most_at_once = Math.max(this.most_at_once, this.at_once);
    this.times.push(now);
    try {
      await this.doing(this.stopping, now);
    } finally {
      this.at_once -= 1;
    }
  }
}

/** Work that waits until it is let go. */
function held(options = {}): { sample: Sample; release(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { sample: new Sample(() => promise, options), release: resolve };
}

beforeEach(() => {
  said = [];
});

it('recurs from start to stop, never twice at a time, and not before it is started', async () => {
  const sample = new Sample(async () => void (await pause(12)));
  expect(sample.begun).toBe(0);
  sample.start();
  await eventually(() => expect(sample.begun).toBeGreaterThan(3));
  await sample.stop();
  const { begun, most_at_once, at_once } = sample;
  expect([most_at_once, at_once]).toEqual([1, 0]);
  await pause(30);
  expect(sample.begun).toBe(begun);
});

it('stops after the work under way, which is told', async () => {
  let told = false;
  const sample = new Sample(async (stopping) => {
    await new Promise((resolve) => stopping.addEventListener('abort', resolve));
    await pause(10);
    told = true;
  });
  const ticked = sample.tick();
  await sample.stop();
  expect([told, sample.at_once]).toEqual([true, 0]);
  await ticked;
  await sample.tick();
  await sample.stop();
  expect(sample.begun).toBe(1);
});

it('does what is asked for during the work once more after it, once for all who ask', async () => {
  const { sample, release } = held();
  const ticks = [sample.tick(), sample.tick(), sample.tick(new Date(7))];
  expect(sample.begun).toBe(1);
  release();
  await Promise.all(ticks);
  expect([sample.begun, sample.most_at_once]).toEqual([2, 1]);
  expect(sample.times[1]).toEqual(new Date(7));
  await sample.tick();
  expect(sample.begun).toBe(3);
});

it('begins nothing more that was asked for when it is stopped', async () => {
  const { sample, release } = held();
  const ticks = [sample.tick(), sample.tick()];
  const stopped = sample.stop();
  release();
  await Promise.all([...ticks, stopped]);
  expect(sample.begun).toBe(1);
});

it('is not asked for by its timer while it is under way', async () => {
  const { sample, release } = held();
  sample.start();
  await eventually(() => expect(sample.begun).toBe(1));
  await pause(30);
  const ended = sample.stop();
  release();
  await ended;
  expect(sample.begun).toBe(1);
});

it('never rejects, logs each failure, and goes on', async () => {
  let broken = true;
  const sample = new Sample(async () => {
    if (broken) throw new Error('away');
  });
  await sample.tick();
  await sample.tick();
  broken = false;
  await sample.tick();
  expect(said).toMatchObject(Array(2).fill({ level: 20, msg: 'the sample failed', err: { message: 'away' } }));
  expect(sample.begun).toBe(3);
});

it('warns, where it shall, of the first failure after a success only', async () => {
  const outcomes = ['bad', 'worse', '', 'again'];
  const sample = new Sample(
    async () => {
      const outcome = outcomes.shift();
      if (outcome) throw new Error(outcome);
    },
    { warns: true },
  );
  for (let n = 0; n < 4; n += 1) await sample.tick();
  expect(said.map(({ level, err }) => [level, err?.message])).toEqual([
    [40, 'bad'],
    [40, 'again'],
  ]);
});

it('can be stopped without having been started, and twice', async () => {
  const sample = new Sample(NOTHING);
  await Promise.all([sample.stop(), sample.stop()]);
  expect(sample.begun).toBe(0);
});
