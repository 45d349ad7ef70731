/**
 * What a Dockerfile has fetched from elsewhere. `images`: references as they stand there. `faults`: instructions that fetch what no registry is asked for, or whose
 * image only the build knows (`readable` false).
 */
export type Origins = { images: string[]; faults: { readable: boolean; detail: string }[] };

const DIRECTIVE = /^#\s*(\w+)\s*=\s*(.*?)\s*$/;
const MOST_SHOWN = 100;

type Directives = { syntax: string | null; mark: string };

/** Parser directives stand before everything else. */
function directivesOf(lines: readonly string[]): Directives {
  const found: Directives = { syntax: null, mark: '\\' };
  for (const line of lines) {
    const match = DIRECTIVE.exec(line);
    if (!match) break;
    const name = match[1]?.toLowerCase();
    if (name === 'syntax') found.syntax = match[2] ?? null;
    if (name === 'escape' && match[2] === '`') found.mark = '`';
  }
  return found;
}

/** Instructions as the builder sees them: continued lines joined, comments and blank lines left out, also between them. */
function instructionsOf(lines: readonly string[], mark: string): string[] {
  const found: string[] = [];
  let held = '';
  for (const line of lines) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const text = line.trimEnd();
    held += text.endsWith(mark) ? text.slice(0, -1) : text;
    if (text.endsWith(mark)) continue;
    found.push(held.trim());
    held = '';
  }
  return held.trim() === '' ? found : [...found, held.trim()];
}

/** Quotes and escapes mean nothing to where a word points. */
const plain = (text: string): string => text.replace(/[\\"'`]/g, '');

type Reading = Origins & { stages: Set<string> };

function noteImage(reading: Reading, image: string, { instruction, stage }: { instruction: string; stage: boolean }): void {
  if (image.includes('$')) {
    reading.faults.push({ readable: false, detail: `${instruction.slice(0, MOST_SHOWN)}: expected an image without variables` });
    return;
  }
  const known = image === 'scratch' || reading.stages.has(image.toLowerCase()) || (stage && /^\d+$/.test(image));
  if (!known && image !== '') reading.images.push(image);
}

function readFrom(reading: Reading, words: readonly string[], instruction: string): void {
  const [image = '', as = '', name = ''] = words.filter((word) => !word.startsWith('--'));
  noteImage(reading, image, { instruction, stage: false });
  if (as.toLowerCase() === 'as') reading.stages.add(name.toLowerCase());
}

/** `COPY --from=x`, `RUN --mount=type=bind,from=x`. */
function readFlags(reading: Reading, words: readonly string[], instruction: string): void {
  for (const word of words) {
    const image = /^--(?:from=|mount=(?:.*,)?from=)([^,]*)/i.exec(word)?.[1];
    if (image !== undefined) noteImage(reading, image, { instruction, stage: true });
  }
}

/** ADD fetches what looks like an address, from the Engine's own network. COPY does all else that it does for files of the build. */
function readAdd(reading: Reading, words: readonly string[], instruction: string): void {
  if (!words.some((word) => /:\/\/|\$|^git@/.test(word))) return;
  reading.faults.push({
    readable: true,
    detail: `${instruction.slice(0, MOST_SHOWN)}: expected files of the build, without addresses and variables`,
  });
}

/** Reads where a Dockerfile takes images and files from. It is read strictly: what may be an origin counts as one. */
export function dockerfileOrigins(dockerfile: string): Origins {
  const lines = dockerfile.replace(/^\uFEFF/, '').split(/\r?\n/);
  const { syntax, mark } = directivesOf(lines);
  const reading: Reading = { images: syntax ? [syntax] : [], faults: [], stages: new Set() };
  for (const instruction of instructionsOf(lines, mark)) {
    const words = plain(instruction).split(/\s+/);
    const onbuild = words[0]?.toUpperCase() === 'ONBUILD';
    const [name = '', ...rest] = onbuild ? words.slice(1) : words;
    if (name.toUpperCase() === 'FROM') readFrom(reading, rest, instruction);
    else readFlags(reading, rest, instruction);
    if (name.toUpperCase() === 'ADD') readAdd(reading, rest, instruction);
  }
  return { images: reading.images, faults: reading.faults };
}
