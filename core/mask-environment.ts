/** Names that speak of a secret, in any spelling. */
const SECRET =
  /pass(?:word|wd|phrase)?|secret|token|credential|api_?key|access_?key|private|(?:^|_)key(?:$|_)|(?:^|_)pwd?(?:$|_)|auth|cookie|session|salt|signature|cert|dsn|connection_?string/i;
/** Credentials inside an address. */
const USERINFO = /([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi;
/** What looks like a key by itself: known prefixes, or a JSON web token. */
const KEY = /^(?:gh[pousr]_|sk-|xox[abp]-|AKIA|glpat-|eyJ[\w-]+\.eyJ)/;

/** Stands for a value that may be secret. */
export const MASKED = '***';

function masked(name: string, value: string): string {
  if (value !== '' && (SECRET.test(name) || KEY.test(value))) return MASKED;
  return value.replace(USERINFO, `$1:${MASKED}@`);
}

/** A container's environment (`NAME=value`) as an object, with every value masked that may be secret: rather one too many than one too few. */
export function maskEnvironment(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      const [name, value] = at === -1 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
      return [name, masked(name, value)];
    }),
  );
}
