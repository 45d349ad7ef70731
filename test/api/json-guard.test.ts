import fc from 'fast-check';
import { BODY_LIMITS, inspectJson, jsonDepth, pointerStep } from '../../api/json-guard.ts';

const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

const at = (value: unknown, pointer: string): unknown =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((inner, step) => (inner as Record<string, unknown>)[step], value);

describe('jsonDepth', () => {
  it('is the depth of the parsed value, whatever strings hold', () => {
    const nasty = fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', 'a', '\\"') });
    fc.assert(
      fc.property(fc.json({ maxDepth: 12, stringUnit: fc.constantFrom('{', '[', '"', '\\', ']', 'x') }), nasty, (text, string) => {
        expect(jsonDepth(text, 100)).toBe(depthOf(JSON.parse(text)));
        expect(jsonDepth(JSON.stringify([{ [string]: string }]), 100)).toBe(2);
      }),
    );
  });

  it('stops one above the limit, and walks a hundred thousand brackets without a stack', () => {
    expect(jsonDepth('['.repeat(100_000), 32)).toBe(33);
    expect(jsonDepth(`${'['.repeat(32)}${']'.repeat(32)}`, 32)).toBe(32);
  });
});

describe('inspectJson', () => {
  it('finds nothing in ordinary values and counts them all', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const { reserved, faults, nodes } = inspectJson(value, BODY_LIMITS);
        expect(reserved.filter((r) => !/__proto__|constructor|prototype/.test(r.pointer))).toEqual([]);
        expect(faults.filter((f) => /number/.test(f.detail))).toEqual([]);
        expect(nodes).toBeGreaterThanOrEqual(1);
      }),
    );
  });

  it('points at each bad value, wherever it stands', () => {
    const bad = fc.constantFrom<[unknown, RegExp]>(
      ['a\0', /NUL/],
      ['\udc00', /surrogate/],
      ['x'.repeat(70_000), /65536 bytes/],
      ['ä'.repeat(40_000), /65536/],
      [Infinity, /double/],
    );
    const path = fc.array(fc.constantFrom('a', 'b/c', 'd~e', '0', ''), { maxLength: 10 });
    fc.assert(
      fc.property(bad, path, ([value, detail], keys) => {
        const body = keys.reduceRight<unknown>((inner, key) => ({ [key]: inner, other: 'fine' }), value);
        const { faults } = inspectJson(body, BODY_LIMITS);
        expect(faults).toEqual([{ pointer: keys.map(pointerStep).join(''), detail: expect.stringMatching(detail) }]);
        expect(at(body, faults[0]?.pointer ?? '')).toBe(value);
      }),
    );
  });

  it('points at reserved keys at any depth', () => {
    const body = JSON.parse('{"a":[{"__proto__":1}],"constructor":{"prototype":2}}');
    expect(inspectJson(body, BODY_LIMITS).reserved.map((r) => r.pointer)).toEqual([
      '/a/0/__proto__',
      '/constructor',
      '/constructor/prototype',
    ]);
  });

  it('gives up counting above the limit', () => {
    expect(
      inspectJson(
        Array.from({ length: 50_000 }, () => 0),
        BODY_LIMITS,
      ).nodes,
    ).toBeLessThan(50_002);
    expect(
      inspectJson(
        Array.from({ length: 10_000 }, () => 0),
        BODY_LIMITS,
      ).nodes,
    ).toBeGreaterThan(BODY_LIMITS.nodes);
  });
});
