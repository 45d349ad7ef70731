import { hideEnvironment, maskEnvironment } from '../../core/mask-environment.ts';

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
  ['URL=https://example.org:8080/@me?x', 'https://example.org:8080/@me?***'],
  ['URL=amqp://me:hu/sh@host', 'amqp://me:***@host'],
  ['URL=https://0123456789abcdef@sentry.example/1', 'https://***@sentry.example/1'],
  ['HOOK=https://hooks.example.com/services/T0/B0/hush', 'https://hooks.example.com/***'],
  ['BOT=https://api.example.org/bot12:hush/send', 'https://api.example.org/***'],
  ['LINK=https://example.org/share/a1b2c3d4e5f6a7b8c9d0e1f2/x', 'https://example.org/share/***/x'],
  ['FEED=see https://example.org/feed?key=hush now', 'see https://example.org/feed?*** now'],
  ['DB=Server=x;Password=hush;Port=1', 'Server=x;Password=***;Port=1'],
  ['HOSTS=a://u:p@h1,a://u:p@h2', 'a://u:***@h1,a://u:***@h2'],
])('%s is shown as %s', (entry, shown) => {
  expect(Object.values(maskEnvironment([entry]))).toEqual([shown]);
});

test('of a task only the names are shown', () => {
  expect(hideEnvironment(['DB_URL2=hush', 'PLAIN=seen', 'EMPTY='])).toEqual({ DB_URL2: '***', PLAIN: '***', EMPTY: '***' });
});

test.each(['a', 'a:', '://', 'a://', 'a@', 'a:a@', '://a:', '?', '/', 'token = ', 'password=', '1a', "'", ' '])(
  'a value of 256 KB of %j is masked at once',
  (part) => {
    const began = performance.now();
    for (const head of ['', 'http://', 'http://a:', 'http://a/'])
      for (const end of ['', '!', ' ']) maskEnvironment([`A=${head}${part.repeat(262_144 / part.length)}${end}`]);
    expect(performance.now() - began).toBeLessThan(10_000);
  },
);

test('an entry without a value is there with none', () => {
  expect(maskEnvironment(['NAME'])).toEqual({ NAME: '' });
});
