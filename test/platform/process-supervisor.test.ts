import fc from 'fast-check';
import { createLogger } from '../../config/logger.ts';
import type { Exit, Running } from '../../platform/guarded-process.ts';
import { type Part, Supervisor } from '../../platform/process-supervisor.ts';
import { restartDelay } from '../../platform/restart-delay.ts';
import { eventually } from '../support/eventually.ts';

/** A part in this process that can be made to die. */
function mortal(name: string, log: string[]): Part & { die(): void; starts: number; failing: number } {
  let end: (exit: Exit) => void = () => undefined;
  const part = {
    name,
    stop_limit_ms: 1000,
    starts: 0,
    failing: 0,
    die: () => end({ code: 1, signal: null }),
    async start(): Promise<Running> {
      part.starts += 1;
      if (part.failing > 0) {
        part.failing -= 1;
        throw new Error('not now');
      }
      log.push(`start ${name}`);
      const exited = new Promise<Exit>((resolve) => {
        end = resolve;
      });
      const stop = async () => {
        log.push(`stop ${name}`);
        end({ code: 0, signal: null });
        return await exited;
      };
      return { exited, stop };
    },
  };
  return part;
}

describe('supervisor', () => {
  const logger = createLogger({ LOG_LEVEL: 'silent' }, 'test');

  it('starts in order and stops in reverse', async () => {
    const log: string[] = [];
    const supervisor = new Supervisor(logger);
    for (const name of ['a', 'b', 'c']) await supervisor.keep(mortal(name, log));
    await supervisor.stop();
    expect(log).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  });

  it('starts a dead part again after the delay, also when starting fails meanwhile', async () => {
    const part = mortal('a', []);
    const supervisor = new Supervisor(logger);
    await supervisor.keep(part);
    part.failing = 1;
    const since = Date.now();
    part.die();
    await eventually(() => expect(part.starts).toBe(3));
    expect(Date.now() - since).toBeGreaterThanOrEqual(restartDelay(1) + restartDelay(2) - 20);
    await supervisor.stop();
  });

  it('starts nothing again after it was told to stop', async () => {
    const part = mortal('a', []);
    const supervisor = new Supervisor(logger);
    await supervisor.keep(part);
    part.die();
    await supervisor.stop();
    await supervisor.stop();
    expect(part.starts).toBe(1);
  });

  it('stops at once what became ready only after everything was told to stop', async () => {
    const log: string[] = [];
    const supervisor = new Supervisor(logger);
    await supervisor.stop();
    await expect(supervisor.keep(mortal('late', log))).rejects.toThrow(/started while everything was being stopped/);
    expect(log).toEqual(['start late', 'stop late']);
  });

  it('does not hide that a first start fails', async () => {
    const part = mortal('a', []);
    part.failing = 1;
    await expect(new Supervisor(logger).keep(part)).rejects.toThrow('not now');
    expect(part.starts).toBe(1);
  });
});

describe('delay before a restart', () => {
  it('is 0.5 s at first and doubles', () => {
    expect([1, 2, 3, 4].map(restartDelay)).toEqual([500, 1000, 2000, 4000]);
  });

  it('grows with the deaths and stays between 0.5 s and 30 s', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), (deaths) => {
        expect(restartDelay(deaths)).toBeGreaterThanOrEqual(500);
        expect(restartDelay(deaths + 1)).toBeGreaterThanOrEqual(restartDelay(deaths));
        expect(restartDelay(deaths)).toBeLessThanOrEqual(30_000);
      }),
    );
  });
});
