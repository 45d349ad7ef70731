/** One subtitle and when it is shown, in seconds from the start of its scene. */
export type Caption = { text: string; from_s: number; to_s: number };

const PHRASE = /[^。！？!?；;\n.]+(?:\.(?=\S)[^。！？!?；;\n.]+)*[。！？!?；;.]*/gu;

/** A spoken text as subtitles, one sentence at a time, each shown as long as its share of the characters. */
export function captionsOf(text: string, duration_s: number): Caption[] {
  const phrases = (text.match(PHRASE) ?? []).map((phrase) => phrase.trim()).filter((phrase) => phrase !== '');
  const total = phrases.reduce((sum, phrase) => sum + phrase.length, 0);
  let at = 0;
  return phrases.map((phrase) => {
    const from = at;
    at += phrase.length;
    return { text: phrase, from_s: round((duration_s * from) / total), to_s: round((duration_s * at) / total) };
  });
}

const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;

function stamp(seconds: number): string {
  const ms = Math.round(seconds * 1000);
  const part = (value: number, size: number) => String(value).padStart(size, '0');
  return `${part(Math.floor(ms / 3_600_000), 2)}:${part(Math.floor(ms / 60_000) % 60, 2)}:${part(Math.floor(ms / 1000) % 60, 2)}.${part(ms % 1000, 3)}`;
}

/** Text that cannot end a cue or be taken for a tag. */
const cueText = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/\s*\n\s*/g, ' ');

/** The subtitles of a whole video as WebVTT; scenes without a spoken text have none. */
export function webVtt(scenes: readonly { voice_text: string | null; duration: number }[]): string {
  let start = 0;
  const cues: string[] = [];
  for (const { voice_text, duration } of scenes) {
    for (const { text, from_s, to_s } of captionsOf(voice_text ?? '', duration)) {
      cues.push(`${stamp(start + from_s)} --> ${stamp(start + to_s)}\n${cueText(text)}\n`);
    }
    start += duration;
  }
  return `WEBVTT\n\n${cues.join('\n')}`;
}
