import { mergeParameters } from '../../core/parameters.ts';

describe('mergeParameters', () => {
  it('keeps defaults that were not given and replaces those that were', () => {
    expect(mergeParameters({ a: 1, b: 2 }, { b: 3, c: 4 })).toEqual({ a: 1, b: 3, c: 4 });
  });

  it('replaces the value of a key as a whole', () => {
    expect(mergeParameters({ headers: { x: '1', y: '2' } }, { headers: { x: '3' } })).toEqual({ headers: { x: '3' } });
    expect(mergeParameters({ list: [1, 2, 3] }, { list: [] })).toEqual({ list: [] });
  });

  it('lets null and false win over a default', () => {
    expect(mergeParameters({ a: 1, b: true }, { a: null, b: false })).toEqual({ a: null, b: false });
  });

  it('changes neither of its arguments', () => {
    const defaults = Object.freeze({ a: 1 });
    const given = Object.freeze({ b: 2 });
    expect(mergeParameters(defaults, given)).toEqual({ a: 1, b: 2 });
  });

  it('cannot be used to reach a prototype', () => {
    const merged = mergeParameters({}, JSON.parse('{"__proto__": {"admin": true}}') as Record<string, unknown>);
    expect((merged as { admin?: boolean }).admin).toBeUndefined();
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});
