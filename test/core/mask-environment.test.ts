import { maskEnvironment } from '../../core/mask-environment.ts';

test.each([
  ['DB_PASSWORD=hush', '***'],
  ['POSTGRES_PASS=hush', '***'],
  ['apiKey=hush', '***'],
  ['AWS_SECRET_ACCESS_KEY=hush', '***'],
  ['SIGNING_KEY=hush', '***'],
  ['GITHUB_TOKEN=hush', '***'],
  ['SESSION=hush', '***'],
  ['ANY=ghp_abcdefgh', '***'],
  ['DATABASE_URL=postgresql://me:hush@host:5432/db', 'postgresql://me:***@host:5432/db'],
  ['TWO=http://a:b@x http://c:d@y', 'http://a:***@x http://c:***@y'],
  ['PATH=/usr/bin', '/usr/bin'],
  ['EMPTY_PASSWORD=', ''],
  ['A=b=c', 'b=c'],
  ['KEYBOARD=qwerty', 'qwerty'],
  ['URL=https://example.org/a:b', 'https://example.org/a:b'],
])('%s is shown as %s', (entry, shown) => {
  expect(Object.values(maskEnvironment([entry]))).toEqual([shown]);
});

test('an entry without a value is there with none', () => {
  expect(maskEnvironment(['NAME'])).toEqual({ NAME: '' });
});
