/** How far a video is. `fractions`: how much of each scene under way is rendered, 0–1. `joined`: how much of the joining is done, 0–1. */
export type VideoState = { scripted: boolean; total: number; done: number; fractions: readonly number[]; joined: number };

const SCRIPT = 10;
const SCENES = 80;
const JOIN = 10;

const within = (value: number): number => Math.min(1, Math.max(0, Number.isFinite(value) ? value : 0));

/**
 * Progress in percent, a whole number that never falls while the parts only grow: 10 for the script, 80 for the scenes, 10 for joining them.
 * 100 is left to the end itself: a video whose file is not yet stored is not complete.
 */
export function videoProgress({ scripted, total, done, fractions, joined }: VideoState): number {
  if (!scripted || total <= 0) return 0;
  const parts = fractions.reduce((sum, fraction) => sum + within(fraction), 0);
  const scenes = Math.min(total, done + parts) / total;
  return Math.min(99, Math.floor(SCRIPT + SCENES * scenes + JOIN * (done >= total ? within(joined) : 0)));
}
