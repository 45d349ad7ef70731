import { concurrencyKey } from '../../core/concurrency.ts';

const keyOf = (key: string, parameters: Record<string, unknown>, template = 't') =>
  concurrencyKey(template, { key, limit: 1, on_limit: 'queue' }, parameters);

describe('concurrencyKey', () => {
  it('names template, path and value', () => {
    expect(keyOf('customer', { customer: 'a' })).toBe('t/customer="a"');
    expect(keyOf('a.b', { a: { b: [1, 2] } })).toBe('t/a.b=[1,2]');
  });

  it('differs for different templates, values and types', () => {
    const keys = [
      keyOf('x', { x: 1 }),
      keyOf('x', { x: '1' }),
      keyOf('x', { x: true }),
      keyOf('x', { x: 'true' }),
      keyOf('x', { x: 1 }, 'u'),
    ];
    expect(new Set(keys).size).toBe(5);
  });

  it.each([{}, { a: null }, { a: 1 }, { a: { c: 1 } }])('is none where there is no value: %j', (parameters) => {
    expect(keyOf('a.b', parameters)).toBeNull();
  });

  it('finds nothing that an object inherits', () => {
    expect(keyOf('constructor', {})).toBeNull();
    expect(keyOf('a.toString', { a: {} })).toBeNull();
  });

  it('stays short for long values, and differs when only their ends do', () => {
    const [one, two] = ['1', '2'].map((end) => keyOf('x', { x: `${'a'.repeat(60_000)}${end}` }));
    expect(one).not.toBe(two);
    expect(one?.length).toBeLessThan(400);
  });
});
