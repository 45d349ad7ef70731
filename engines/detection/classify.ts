import { countDoing, type DetectedObject, NO_HAIRNET, PERSON, type Sighting } from '../../core/detection/frame.ts';
import type { DetectedFrame } from './detector-line.ts';
import type { Classifier } from './parameters.ts';

/** Says what the persons of a frame do. Those that come with the product judge by track ids, and are for trials: they look at no picture. */
export type Classify = (frame: DetectedFrame) => DetectedFrame;

function adding(picks: (object: DetectedObject) => boolean, sighting: Sighting): Classify {
  return (frame) => {
    const objects = frame.objects.map((object) =>
      object.label === PERSON && picks(object) ? { ...object, violations: [...object.violations, sighting] } : object,
    );
    return { ...frame, objects, hairnet_violations: Math.max(frame.hairnet_violations, countDoing(objects, NO_HAIRNET)) };
  };
}

/** The classifier that a task asks for. */
export function classifierOf(wanted: Classifier): Classify {
  if (wanted.kind === 'none') return (frame) => frame;
  const { violation_type, confidence, severity } = wanted;
  const sighting: Sighting = { type: violation_type, confidence, severity, zone: null };
  if (wanted.kind === 'all') return adding(() => true, sighting);
  const tracks = new Set(wanted.track_ids);
  return adding(({ track_id }) => track_id !== null && tracks.has(track_id), sighting);
}
