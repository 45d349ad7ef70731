import fc from 'fast-check';
import { LogWriter } from '../../activities/log-writer.ts';
import { SecretMask } from '../../activities/secret-mask.ts';
import type { LogLine } from '../../commands/append-logs.ts';
import { eventually } from '../support/eventually.ts';

const fresh = { next_seq: 1, lines_before: 0, lines_cut: 0, stored_bytes: 0, tail: [] as string[] };

/** A writer onto a list, which is what `instance_logs` is to it; `gate` holds up each store. */
function open(options: { cap_bytes?: number; start?: Partial<typeof fresh>; accept?: () => boolean; gate?: () => Promise<void> } = {}) {
  const stored: LogLine[] = [];
  const state = { cut: 0, batches: 0, refused: 0 };
  const mask = new SecretMask();
  const writer = new LogWriter({
    start: { ...fresh, ...options.start },
    cap_bytes: options.cap_bytes ?? 1_000_000,
    mask,
    append: async (lines, cut) => {
      await options.gate?.();
      if (options.accept && !options.accept()) return false;
      stored.push(...lines);
      state.cut = cut;
      state.batches += 1;
      return true;
    },
    on_refused: () => {
      state.refused += 1;
    },
  });
  return { writer, stored, state, mask };
}

test('lines are numbered from 1 without gaps, in order, however the bytes arrive', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.string({ maxLength: 20 }).filter((s) => !/[\n\r]/.test(s)),
        { minLength: 1, maxLength: 50 },
      ),
      fc.integer({ min: 1, max: 9 }),
      async (lines, size) => {
        const { writer, stored } = open();
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        for (let at = 0; at < bytes.length; at += size) await writer.write('stdout', bytes.subarray(at, at + size));
        await writer.close(true);
        expect(stored.map(({ line }) => line)).toEqual(lines.map((line) => line.replaceAll('\0', '\uFFFD')));
        expect(stored.map(({ seq }) => seq)).toEqual(lines.map((_, i) => i + 1));
      },
    ),
    { numRuns: 50 },
  );
});

test('a line is stored within a fraction of a second although the task goes on', async () => {
  const { writer, stored } = open();
  await writer.write('stdout', Buffer.from('early\nunfinished'));
  await eventually(() => expect(stored.map(({ line }) => line)).toEqual(['early']), { timeout_ms: 900 });
  await writer.close(true);
  expect(stored.map(({ line }) => line)).toEqual(['early', 'unfinished']);
});

test('beyond the cap the head is stored, the rest counted exactly, and the end kept', async () => {
  const { writer, stored, state } = open({ cap_bytes: 100 });
  for (let i = 0; i < 5_000; i += 1) await writer.write('stdout', Buffer.from(`${String(i).padStart(9, '0')}\n`));
  const tail = await writer.close(true);
  expect(stored.filter(({ stream }) => stream === 'stdout').map(({ line }) => Number(line))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(state.cut).toBe(4_990);
  expect(stored.at(-1)).toMatchObject({ seq: 11, stream: 'system', line: expect.stringContaining('4990 lines (49900 bytes)') });
  expect(Buffer.byteLength(tail ?? '')).toBeLessThanOrEqual(65_536);
  expect(tail).toContain('000004999\n');
});

test('once a line was cut, a shorter one behind it is not stored either', async () => {
  const { writer, stored } = open({ cap_bytes: 10 });
  await writer.write('stdout', Buffer.from(`ok\n${'x'.repeat(50)}\nno\n`));
  await writer.close(true);
  expect(stored.filter(({ stream }) => stream !== 'system').map(({ line }) => line)).toEqual(['ok']);
});

test('a writer holds its engine up while too many lines wait, and goes on when they are stored', async () => {
  let release = () => undefined as unknown;
  const held = new Promise<void>((resolve) => {
    release = () => resolve();
  });
  const { writer, stored } = open({ gate: () => held });
  let written = false;
  const writing = writer.write('stdout', Buffer.from('line\n'.repeat(5_000))).then(() => {
    written = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(written).toBe(false);
  release();
  await writing;
  await writer.close(true);
  expect(stored.length).toBe(5_000);
});

test('a writer that lost its lease drops everything and never blocks its engine', async () => {
  const { writer, stored, state } = open({ accept: () => false });
  for (let i = 0; i < 10; i += 1) await writer.write('stdout', Buffer.from('line\n'.repeat(1_000)));
  await writer.close(true);
  expect(stored).toEqual([]);
  expect(state.refused).toBe(1);
});

test('a later execution goes on behind what is stored, and leaves an unfinished line to the next', async () => {
  const { writer, stored } = open({ start: { next_seq: 8, lines_before: 6, tail: ['before'] } });
  expect(writer.lines_before).toBe(6);
  await writer.write('stdout', Buffer.from('next\nunfinis'));
  expect(await writer.close(false)).toBe('before\nnext\n');
  expect(stored.map(({ seq, line }) => [seq, line])).toEqual([[8, 'next']]);
});

test('values of secrets never reach the log', async () => {
  const { writer, stored, mask } = open();
  mask.add('hunter2-long');
  await writer.write('stderr', Buffer.from('the password is hunter2-long!\n'));
  await writer.system('sent hunter2-long');
  const tail = await writer.close(true);
  expect(JSON.stringify(stored) + tail).not.toContain('hunter2-long');
  expect(stored[0]?.line).toBe('the password is ***!');
  expect(mask.json({ a: ['x hunter2-long'] })).toEqual({ a: ['x ***'] });
});

test('closing waits for lines that are on their way already', async () => {
  let begun = false;
  let open_gate: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open_gate = resolve;
  });
  const { writer, stored } = open({
    gate: async () => {
      begun = true;
      await gate;
    },
  });
  await writer.write('stdout', Buffer.from('slow to store\n'));
  await eventually(() => expect(begun).toBe(true));
  let closed = false;
  const closing = writer.close(true).then(() => {
    closed = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(closed).toBe(false);
  open_gate();
  await closing;
  expect(stored.map(({ line }) => line)).toEqual(['slow to store']);
});
