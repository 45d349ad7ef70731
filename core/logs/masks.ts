/** Stands in a template for what varies. */
export const WILDCARD = '<*>';

/** Longest part of a message that a template is made of. */
const LONGEST = 1_024;
const MOST_TOKENS = 64;

/** A run of name characters with a digit in it, with what is joined to it likewise: numbers, addresses, identifiers, hashes, durations. */
const VARIES = /[A-Za-z_+-]*\d\w*(?:[.:,_-](?:[\da-fA-F]+(?!\w)|\w*\d\w*))*%?/g;
const HAS_DIGIT = /\d/;
const BLANK = /\s/;

const masked = (token: string): string => (HAS_DIGIT.test(token) ? token.replace(VARIES, WILDCARD) : token);

/** Several values in a row count as one: lists differ in length, not in kind. */
const addToken = (kept: string[], token: string): string[] => {
  if (token !== WILDCARD || kept.at(-1) !== WILDCARD) kept.push(token);
  return kept;
};

/** The word that the cut goes through counts as a value. */
function shortened(line: string): string {
  let end = LONGEST;
  while (end > 0 && !BLANK.test(line[end - 1] as string)) end--;
  return line.slice(0, end) + WILDCARD;
}

/** A message as the tokens that templates are made of: split at blanks, varying parts masked, bounded in length. */
export function maskedTokens(message: string): string[] {
  const end = message.indexOf('\n');
  const line = end === -1 ? message : message.slice(0, end);
  const tokens = (line.length > LONGEST ? shortened(line) : line).split(/\s+/, MOST_TOKENS + 1).filter(Boolean);
  const kept = tokens.slice(0, MOST_TOKENS).reduce<string[]>((list, token) => addToken(list, masked(token)), []);
  return tokens.length > MOST_TOKENS ? addToken(kept, WILDCARD) : kept;
}
