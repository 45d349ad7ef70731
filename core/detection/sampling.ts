/** Why a frame became a record: its turn, or the violations changed with it. */
export const SAVED_FOR = ['sample', 'change'] as const;
export type SavedFor = (typeof SAVED_FOR)[number];

/**
 * True for the first frame of a session and each `interval`-th after it, counted by frame number, so that it depends neither on what is missing nor on the
 * order of arrival.
 * @param interval 1: every frame
 */
export const isSampled = (frame_number: number, first_frame: number, interval: number): boolean =>
  Math.abs(frame_number - first_frame) % interval === 0;
