import fc from 'fast-check';
import { createMasker, maskText } from '../../engines/mask.ts';

function masked(chunks: Buffer[], secrets: string[]): string {
  const masker = createMasker(secrets);
  return Buffer.concat([...chunks.map((chunk) => masker.push(chunk)), masker.flush()]).toString();
}

describe('secret masking', () => {
  test('what may become a secret is held back, and given out when it does not', () => {
    const masker = createMasker(['hunter2']);
    expect([masker.push(Buffer.from('a hun')).toString(), masker.push(Buffer.from('g b')).toString()]).toEqual(['a ', 'hung b']);
  });

  test('nothing is held back while no secret begins, so lines are seen at once', () => {
    expect(createMasker(['hunter2']).push(Buffer.from('ready\n')).toString()).toBe('ready\n');
  });

  test('the longer of two secrets that begin alike is masked whole; an empty one masks nothing', () => {
    expect(masked([Buffer.from('abcd abc')], ['abc', 'abcd', ''])).toBe('*** ***');
    expect(maskText('abcd abc', ['abc', 'abcd', ''])).toBe('*** ***');
  });

  test('a secret is never shown, however the output is chunked', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n'), maxLength: 60 });
    fc.assert(
      fc.property(
        text,
        fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 7 }),
        (output, secret, size) => {
          const bytes = Buffer.from(output);
          const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
          expect(masked(chunks, [secret])).toBe(output.replaceAll(secret, '***'));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
