import { dockerfileOrigins } from '../../core/dockerfile-origins.ts';

test.each<[string, string[]]>([
  ['FROM a:1', ['a:1']],
  ['from --platform=linux/amd64 internal:5000/x AS base\nFROM base\nCOPY --from=base /a /b', ['internal:5000/x']],
  ['FROM scratch\nCOPY --from=internal:5000/x /a /b', ['internal:5000/x']],
  ['FROM a\nCOPY --from=0 /a /b', ['a']],
  ['# syntax=internal:5000/frontend\nFROM a', ['internal:5000/frontend', 'a']],
  ['# a comment\n# syntax=b\nFROM a', ['a']],
  ['FROM inter\\\nnal:5000/x', ['internal:5000/x']],
  ['# escape=`\nFROM inter`\nnal:5000/x', ['internal:5000/x']],
  ['FROM a\nRUN \\\n# a comment\n\n  --mount=type=bind,from=b true', ['a', 'b']],
  ['FROM a\nONBUILD COPY --from=b /x /y', ['a', 'b']],
  ['\uFEFF  FROM "a"\r\nRUN echo FROM b', ['a']],
])('%j takes images from %j', (dockerfile, images) => {
  expect(dockerfileOrigins(dockerfile)).toEqual({ images, faults: [] });
});

test.each([
  'ADD http://169.254.169.254/latest /x',
  'add --chown=1 HTTPS://a/b /x',
  'ADD ["http://a/b", "/x"]',
  'ADD http\\://a/b /x',
  'ADD http:/\\\n/a/b /x',
  'ADD $WHERE /x',
  'ADD git@a.b:c /x',
  'ONBUILD ADD http://a/b /x',
])('%j fetches an address', (instruction) => {
  expect(dockerfileOrigins(`FROM a\n${instruction}`).faults).toMatchObject([{ readable: true }]);
});

test.each(['ARG X\nFROM $X', 'FROM a\nCOPY --from=$X /a /b'])('%j names an image that only the build knows', (dockerfile) => {
  expect(dockerfileOrigins(dockerfile).faults).toMatchObject([{ readable: false }]);
});

test('files of the build may be added', () => {
  expect(dockerfileOrigins('FROM a\nADD x.tar /x\nCOPY y /y').faults).toEqual([]);
});
