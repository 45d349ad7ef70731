/** Width of one character as a share of the font size. */
export type WidthOf = (character: string) => number;

/** A text laid out: font size in pixels, lines, and whether something had to be left out. */
export type Layout = { font_size: number; lines: string[]; cut: boolean };

/** Room for a text, in pixels. `line_height` as a multiple of the font size. */
export type Room = { width: number; height: number; largest: number; smallest: number; line_height: number };

/** Characters that must not begin a line. */
const CLINGING = /^[，。！？；：、）》」』】…,.!?;:)\]}%]$/u;
const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff00-\uffef]/u;

/** Units that stay together: a word with the blanks behind it, or one wide character with the marks that cling to it. */
function unitsOf(text: string): string[] {
  const units: string[] = [];
  let open = false;
  for (const character of text) {
    const wide = WIDE.test(character);
    const clings = CLINGING.test(character);
    const last = units.at(-1);
    if (last !== undefined && (clings || (!wide && open))) units[units.length - 1] = last + character;
    else units.push(character);
    open = !wide && !(clings && !open) && !/\s/u.test(character);
  }
  return units;
}

const widthOf = (text: string, width: WidthOf): number => [...text].reduce((sum, character) => sum + width(character), 0);

/** A unit wider than a line, cut wherever it must be. */
function pieces(unit: string, max: number, width: WidthOf): string[] {
  if (widthOf(unit.trimEnd(), width) <= max) return [unit];
  const parts: string[] = [''];
  for (const character of unit) {
    const last = parts.at(-1) ?? '';
    if (last !== '' && widthOf(last + character, width) > max) parts.push(character);
    else parts[parts.length - 1] = last + character;
  }
  return parts;
}

/**
 * Breaks a text into lines no wider than `max` (in font sizes): at blanks, between Chinese characters, inside words only where one alone is too
 * wide. Line breaks of the text stay. Nothing but blanks at the end of a line is lost.
 */
export function wrapText(text: string, max: number, width: WidthOf): string[] {
  return text.split(/\r\n|\r|\n/u).flatMap((paragraph) => {
    const lines = [''];
    for (const unit of unitsOf(paragraph).flatMap((whole) => pieces(whole, max, width))) {
      const last = lines.at(-1) ?? '';
      if (last !== '' && widthOf((last + unit).trimEnd(), width) > max) lines.push(unit);
      else lines[lines.length - 1] = last + unit;
    }
    return lines.map((line) => line.trimEnd());
  });
}

/** The largest size at which the text fits its room; at the smallest, what is over is cut and marked. */
export function fitText(text: string, room: Room, width: WidthOf): Layout {
  const linesAt = (size: number): string[] => wrapText(text, room.width / size, width);
  const fits = (size: number): boolean => linesAt(size).length * size * room.line_height <= room.height;
  for (let size = room.largest; size > room.smallest; size = Math.max(room.smallest, Math.floor(size * 0.9))) {
    if (fits(size)) return { font_size: size, lines: linesAt(size), cut: false };
  }
  const lines = linesAt(room.smallest);
  const most = Math.max(1, Math.floor(room.height / (room.smallest * room.line_height)));
  if (lines.length <= most) return { font_size: room.smallest, lines, cut: false };
  const kept = lines.slice(0, most);
  kept[most - 1] = `${[...(kept[most - 1] ?? '')].slice(0, -3).join('')}...`;
  return { font_size: room.smallest, lines: kept, cut: true };
}
