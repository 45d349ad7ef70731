/** Characters that draw nothing themselves: a text without them looks the same. */
const INVISIBLE = /\p{Cc}|\p{Cf}|\p{Co}|\p{Cn}|\p{Zl}|\p{Zp}|\p{Variation_Selector}/u;
/** Emoji and other pictographs: a text without them can still be read. Digits and signs that emoji are made of are none. */
const PICTOGRAPH = /\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|\p{Me}/u;

/** A text as it can be drawn. `left_out`: pictographs that the font lacks; `missing`: characters that must not be left out. */
export type Drawable = { text: string; left_out: string[]; missing: string[] };

/** What becomes of a character: drawn, a blank, nothing (it shows nothing anyway), left out, or it must not be left out. */
type Fate = 'drawn' | 'blank' | 'nothing' | 'left_out' | 'missing';

function fateOf(character: string, has: (character: string) => boolean): Fate {
  if (character === '\n' || character === ' ') return 'drawn';
  if (INVISIBLE.test(character)) return 'nothing';
  if (has(character)) return 'drawn';
  if (/\s/u.test(character)) return 'blank';
  return PICTOGRAPH.test(character) ? 'left_out' : 'missing';
}

/**
 * What of a text a font can draw. Line breaks stay, tabs become blanks. A pictograph that the font lacks is left out instead of becoming a box;
 * a letter, digit or sign that it lacks is reported, since leaving it out would change what the text says.
 */
export function drawable(text: string, has: (character: string) => boolean): Drawable {
  const found: Record<'left_out' | 'missing', Set<string>> = { left_out: new Set(), missing: new Set() };
  let shown = '';
  for (const character of text.replaceAll(/\r\n?/gu, '\n').replaceAll('\t', '    ')) {
    const fate = fateOf(character, has);
    if (fate === 'drawn') shown += character;
    else if (fate === 'blank') shown += ' ';
    else if (fate !== 'nothing') found[fate].add(character);
  }
  return { text: shown, left_out: [...found.left_out], missing: [...found.missing] };
}
