const COLORS = ['#1f4e79', '#3d5a3c', '#6b4226', '#4a3f6b', '#7a3b3b', '#2f5d62', '#5b5b2f', '#444b59'];

/** A background colour for a text: always the same for the same text. */
export function colorFor(text: string): string {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return COLORS[sum % COLORS.length] ?? '#444b59';
}
