import { type Box, isWorse, type Severity, type Sighting } from './frame.ts';
import type { KnownObject } from './tracker.ts';

/**
 * When a violation is one. It opens after `k` sightings of at least `min_confidence` within `n` frames in a row, and ends when nothing was seen of it for
 * longer than `gap_ms`.
 */
export type LifeRules = { k: number; n: number; min_confidence: number; gap_ms: number };

export const DEFAULT_LIFE: LifeRules = { k: 3, n: 5, min_confidence: 0.5, gap_ms: 40_000 };

/** A violation that goes on: one for each identity and type. Times in ms; `frames`: in how many it was seen; `confidence`, `severity`: the greatest; `box`: the last. */
export type OpenViolation = {
  id: string;
  track_id: string;
  type: string;
  opened_frame: number;
  first_ms: number;
  last_ms: number;
  frames: number;
  confidence: number;
  severity: Severity;
  zones: string[];
  box: Box | null;
};

/** Sightings that do not make a violation yet: `ordinals` of the frames, counted as they come. */
type Candidate = {
  track_id: string;
  type: string;
  ordinals: number[];
  times: number[];
  confidence: number;
  severity: Severity;
  zones: string[];
  box: Box | null;
};

export type LifeState = { candidates: Candidate[]; open: OpenViolation[] };

/** What happened to a violation. `opened`, `severity` (it got worse) and `zone` (seen where it was not before) are what alerts look at. */
export type ChangeCause = 'opened' | 'severity' | 'zone' | 'seen' | 'ended';
export type Change = { cause: ChangeCause; violation: OpenViolation; timestamp: number };

type Seen = { object: KnownObject; sighting: Sighting };
export type LifeMoment = { frame_number: number; ordinal: number; timestamp: number; rules: LifeRules; newId(): string };

const MOST_ZONES = 50;
const keyOf = (track_id: string, type: string): string => `${type} ${track_id}`;

/** The strongest sighting of each identity and type in a frame. */
function strongest(objects: readonly KnownObject[], { rules }: LifeMoment): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  for (const object of objects) {
    for (const sighting of object.violations) {
      const key = keyOf(object.track_id, sighting.type);
      const before = seen.get(key);
      if (sighting.confidence < rules.min_confidence) continue;
      if (!before || sighting.confidence > before.sighting.confidence) seen.set(key, { object, sighting });
    }
  }
  return seen;
}

const withZone = (zones: readonly string[], zone: string | null): string[] =>
  zone === null || zones.includes(zone) || zones.length >= MOST_ZONES ? [...zones] : [...zones, zone];

/** One more sighting of an open violation; late frames widen it backwards. */
function extend(violation: OpenViolation, { object, sighting }: Seen, timestamp: number): { violation: OpenViolation; cause: ChangeCause } {
  const zones = withZone(violation.zones, sighting.zone);
  const worse = isWorse(sighting.severity, violation.severity);
  const cause = worse ? 'severity' : zones.length > violation.zones.length ? 'zone' : 'seen';
  const grown = {
    ...violation,
    first_ms: Math.min(violation.first_ms, timestamp),
    last_ms: Math.max(violation.last_ms, timestamp),
    frames: violation.frames + 1,
    confidence: Math.max(violation.confidence, sighting.confidence),
    severity: worse ? sighting.severity : violation.severity,
    zones,
    box: timestamp >= violation.last_ms ? object.box : violation.box,
  };
  return { violation: grown, cause };
}

function consider(candidate: Candidate | undefined, { object, sighting }: Seen, at: LifeMoment): Candidate {
  const before = candidate ?? { ordinals: [], times: [], confidence: 0, severity: sighting.severity, zones: [] };
  return {
    track_id: object.track_id,
    type: sighting.type,
    ordinals: [...before.ordinals, at.ordinal],
    times: [...before.times, at.timestamp],
    confidence: Math.max(before.confidence, sighting.confidence),
    severity: isWorse(sighting.severity, before.severity) ? sighting.severity : before.severity,
    zones: withZone(before.zones, sighting.zone),
    box: object.box,
  };
}

const opened = ({ track_id, type, times, confidence, severity, zones, box }: Candidate, at: LifeMoment): OpenViolation => ({
  id: at.newId(),
  track_id,
  type,
  opened_frame: at.frame_number,
  first_ms: Math.min(...times),
  last_ms: Math.max(...times),
  frames: times.length,
  confidence,
  severity,
  zones,
  box,
});

/** Sightings that fell out of the window are forgotten. */
function recent({ candidates }: LifeState, { ordinal, rules }: LifeMoment): Map<string, Candidate> {
  const kept = candidates.flatMap((candidate) => {
    const from = candidate.ordinals.findIndex((one) => one > ordinal - rules.n);
    return from < 0 ? [] : [{ ...candidate, ordinals: candidate.ordinals.slice(from), times: candidate.times.slice(from) }];
  });
  return new Map(kept.map((candidate) => [keyOf(candidate.track_id, candidate.type), candidate]));
}

/**
 * What one frame does to the violations of a session. Frames that come late count as seen now, but keep their own time.
 * @returns the state after it and what changed, each violation at most once besides its end
 */
export function follow(state: LifeState, objects: readonly KnownObject[], at: LifeMoment): { state: LifeState; changes: Change[] } {
  const { timestamp, rules } = at;
  const over = state.open.filter(({ last_ms }) => timestamp - last_ms > rules.gap_ms);
  const changes: Change[] = over.map((violation) => ({ cause: 'ended', violation, timestamp }));
  const open = new Map(state.open.filter((one) => !over.includes(one)).map((one) => [keyOf(one.track_id, one.type), one]));
  const candidates = recent(state, at);
  for (const [key, seen] of strongest(objects, at)) {
    const going = open.get(key);
    if (going) {
      const { violation, cause } = extend(going, seen, timestamp);
      open.set(key, violation);
      changes.push({ cause, violation, timestamp });
      continue;
    }
    const candidate = consider(candidates.get(key), seen, at);
    candidates.set(key, candidate);
    if (candidate.ordinals.length < rules.k) continue;
    candidates.delete(key);
    const violation = opened(candidate, at);
    open.set(key, violation);
    changes.push({ cause: 'opened', violation, timestamp });
  }
  return { state: { candidates: [...candidates.values()], open: [...open.values()] }, changes };
}
