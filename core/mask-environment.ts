/** Names that speak of a secret, in any spelling. */
const SECRET =
  /pass(?:word|wd|phrase)?|secret|token|credential|api_?key|access_?key|private|(?:^|_)key(?:$|_)|(?:^|_)pwd?(?:$|_)|auth|cookie|session|salt|signature|cert|dsn|connection_?string|webhook/i;
/** What looks like a key by itself: known prefixes, or a JSON web token. */
const KEY = /^(?:gh[pousr]_|sk-|xox[abp]-|AKIA|glpat-|eyJ[\w-]+\.eyJ)/;
/** Settings inside a value, as in `Server=x;Password=y`. */
const SETTING = /((?:password|passwd|pwd|secret|token|api_?key|access_?key|account_?key) ?= ?)[^;&\s"']+/gi;

/** Stands for a value that may be secret. */
export const MASKED = '***';

/** The one who calls: a password, or a name alone that is long enough to be a token. A password may hold what it should not. */
function withoutUser(address: string): string {
  const authority = /^[^/?#]*/.exec(address)?.[0] ?? '';
  const colon = authority.indexOf(':');
  const at = authority.lastIndexOf('@');
  if (at === -1) {
    const stray = colon === -1 || /^\d*$/.test(authority.slice(colon + 1)) ? -1 : address.lastIndexOf('@');
    return stray === -1 ? address : `${address.slice(0, colon)}:${MASKED}${address.slice(stray)}`;
  }
  if (colon !== -1 && colon < at) return `${address.slice(0, colon)}:${MASKED}${address.slice(at)}`;
  return at >= 12 ? `${MASKED}${address.slice(at)}` : address;
}

/** Whoever knows the path of a webhook may use it. Elsewhere a part of a path that mixes letters and digits at length is taken for a key. */
function withoutPath(address: string): string {
  const slash = address.indexOf('/');
  if (slash === -1) return address;
  const [host, path] = [address.slice(0, slash), address.slice(slash)];
  if (/hook|\/bot\d/i.test(address)) return `${host}/${MASKED}`;
  const parts = path.split('/').map((part) => (part.length >= 24 && /^(?=\D*\d)(?=[^a-z]*[a-z])[\w-]+$/i.test(part) ? MASKED : part));
  return host + parts.join('/');
}

const withoutQuery = (address: string): string => address.replace(/\?.+$/s, `?${MASKED}`);

/** What follows `://`, up to a blank or a quote. */
function maskedAddress(text: string): string {
  const end = text.search(/[\s"'<>]/);
  const [address, rest] = end === -1 ? [text, ''] : [text.slice(0, end), text.slice(end)];
  return withoutPath(withoutQuery(withoutUser(address))) + rest;
}

/** Addresses are found by their `://`, and walked once: what a value costs grows with its length alone. */
function masked(name: string, value: string): string {
  if (value !== '' && (SECRET.test(name) || KEY.test(value))) return MASKED;
  const [before, ...addresses] = value.replace(SETTING, `$1${MASKED}`).split('://');
  return [before, ...addresses.map(maskedAddress)].join('://');
}

/** A container's environment (`NAME=value`) as an object, each value as `mask` says. */
function environmentOf(entries: readonly string[], mask: (name: string, value: string) => string): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      const [name, value] = at === -1 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
      return [name, mask(name, value)];
    }),
  );
}

/** A container's environment with every value masked that may be secret: rather one too many than one too few. */
export const maskEnvironment = (entries: readonly string[]): Record<string, string> => environmentOf(entries, masked);

/** The names alone: a task's values may come from secrets, whatever they are called. */
export const hideEnvironment = (entries: readonly string[]): Record<string, string> => environmentOf(entries, () => MASKED);
