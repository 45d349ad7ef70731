import { takeTurns } from '../../api/take-turns.ts';

test('two at once, one waits, the next is told to come again; whoever fails leaves its place', async () => {
  const inTurn = takeTurns({ at_once: 2, waiting: 1 });
  const begun: number[] = [];
  const ends: PromiseWithResolvers<number>[] = [];
  const work = (i: number) =>
    inTurn(() => {
      begun.push(i);
      const end = Promise.withResolvers<number>();
      ends.push(end);
      return end.promise;
    });
  const results = [work(0), work(1), work(2)];
  await new Promise(setImmediate);
  await expect(work(3)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  expect(begun).toEqual([0, 1]);
  ends[0]?.reject(new Error('broken'));
  await expect(results[0]).rejects.toThrow('broken');
  ends[1]?.resolve(1);
  expect(await results[1]).toBe(1);
  await new Promise(setImmediate);
  ends[2]?.resolve(2);
  expect(await results[2]).toBe(2);
  expect(begun).toEqual([0, 1, 2]);
  expect(await inTurn(() => Promise.resolve(4))).toBe(4);
});
