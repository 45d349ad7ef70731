import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Font } from 'fontkit';
import { drawable } from '../../core/video/glyphs.ts';

/** A font that ffmpeg can draw with. `width`: of a character, as a share of the font size. */
export type UsableFont = { file: string; has(character: string): boolean; width(character: string): number };

/** The font for a text, or the characters that no font of the machine has. */
export type FontChoice = { font: UsableFont } | { missing: string[] };

/** Families that have most of what people write, best ones first; compared with file names. */
const PREFERRED = [
  /DejaVuSans\.ttf$/i,
  /NotoSans(CJK|SC)[^/]*Regular/i,
  /wqy-(zenhei|microhei)/i,
  /SourceHanSans[^/]*Regular/i,
  /DroidSansFallback/i,
  /PingFang|simhei|msyh/i,
];
const FOLDERS = ['/usr/share/fonts', '/usr/local/share/fonts', '/Library/Fonts', '/System/Library/Fonts'];
const OUTLINES = /\.(ttf|ttc|otf|otc)$/i;
const MOST_OPEN = 8;

async function run(file: string, argv: string[]): Promise<string> {
  return await new Promise((done) => execFile(file, argv, { timeout: 10_000, maxBuffer: 8_388_608 }, (_error, stdout) => done(stdout)));
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim().replace(/:$/, ''))
    .filter((line) => OUTLINES.test(line));

/** Fonts that have all these characters, as fontconfig knows them; none where it is not installed. */
async function covering(characters: readonly string[]): Promise<string[]> {
  const codes = characters.map((character) => (character.codePointAt(0) ?? 0).toString(16)).join(' ');
  return linesOf(await run('fc-list', [`:charset=${codes}`, 'file']));
}

/** The font files of the machine, by fontconfig or, without it, by looking into the usual folders. */
async function installed(): Promise<string[]> {
  const listed = linesOf(await run('fc-list', [':', 'file']));
  if (listed.length > 0) return listed;
  const found = await Promise.all(FOLDERS.map((folder) => readdir(folder, { recursive: true }).catch(() => [])));
  return found.flatMap((names, i) => names.filter((name) => OUTLINES.test(name)).map((name) => path.join(FOLDERS[i] ?? '/', name)));
}

/** The font that npm installed with this project, for machines that have none. */
function bundled(): string[] {
  try {
    return [createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf')];
  } catch {
    return [];
  }
}

const rank = (file: string): number => {
  const at = PREFERRED.findIndex((pattern) => pattern.test(file));
  return at < 0 ? PREFERRED.length : at;
};

/** Only fonts with outlines can be drawn at any size and colour. */
const hasOutlines = (font: Font): boolean =>
  ['glyf', 'CFF ', 'CFF2'].some((table) => table in (font as unknown as { directory: { tables: object } }).directory.tables);

async function load(file: string): Promise<UsableFont | null> {
  const { open } = await import('fontkit');
  const opened = await open(file).catch(() => null);
  const font = opened && 'fonts' in opened ? opened.fonts[0] : opened;
  if (!font || !hasOutlines(font as Font)) return null;
  const usable = font as Font;
  const code = (character: string): number => character.codePointAt(0) ?? 0;
  const widths = new Map<string, number>();
  return {
    file,
    has: (character) => usable.hasGlyphForCodePoint(code(character)),
    width: (character) => {
      let width = widths.get(character);
      if (width === undefined) {
        width = usable.glyphForCodePoint(code(character)).advanceWidth / usable.unitsPerEm;
        widths.set(character, width);
      }
      return width;
    },
  };
}

const distinct = (text: string): string[] => [...new Set(text)].filter((character) => /\S/u.test(character));

/** Finds fonts for texts; opened ones are kept, since a Chinese one has 16 MB. */
export class FontFinder {
  private readonly configured: string | undefined;
  private readonly opened = new Map<string, Promise<UsableFont | null>>();
  private known: Promise<string[]> | null = null;

  /** @param configured a font file that is tried before all others */
  constructor(configured: string | undefined) {
    this.configured = configured;
  }

  /** Whether there is any font at all. */
  async any(): Promise<boolean> {
    return (await this.pick('a')) !== null;
  }

  /** The first font that can draw the whole text, pictographs aside. */
  async choose(text: string): Promise<FontChoice> {
    const font = await this.pick(text);
    if (font && drawable(text, font.has).missing.length === 0) return { font };
    const needed = drawable(text, () => false).missing;
    for (const file of await covering(needed)) {
      const other = await this.open(file);
      if (other && drawable(text, other.has).missing.length === 0) return { font: other };
    }
    return { missing: font ? drawable(text, font.has).missing : needed };
  }

  /** Of the fonts that are tried, the first without a gap, else the one with fewest. */
  private async pick(text: string): Promise<UsableFont | null> {
    const sample = distinct(text).join('');
    let best: { font: UsableFont; gaps: number } | null = null;
    for (const file of await this.candidates()) {
      const font = await this.open(file);
      if (!font) continue;
      const gaps = drawable(sample, font.has).missing.length;
      if (gaps === 0) return font;
      if (!best || gaps < best.gaps) best = { font, gaps };
    }
    return best?.font ?? null;
  }

  private async candidates(): Promise<string[]> {
    this.known ??= installed();
    const found = (await this.known).filter((file) => rank(file) < PREFERRED.length).toSorted((a, b) => rank(a) - rank(b));
    const others = found.length > 0 ? [] : (await this.known).slice(0, 5);
    return [...(this.configured ? [this.configured] : []), ...found.slice(0, 6), ...bundled(), ...others];
  }

  private async open(file: string): Promise<UsableFont | null> {
    const known = this.opened.get(file);
    if (known !== undefined) return await known;
    if (this.opened.size >= MOST_OPEN) this.opened.delete(this.opened.keys().next().value ?? '');
    const font = load(file);
    this.opened.set(file, font);
    return await font;
  }
}
