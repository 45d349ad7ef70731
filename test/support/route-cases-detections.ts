import { query } from '../../entities/sql.ts';
import type { TestApi } from './api.ts';
import { makeSession } from './detections.ts';
import type { RouteCase } from './route-cases.ts';

let made = 0;
const fresh = (word: string): string => `${word}-${++made}`;

/** A camera of the caller `user`, with one session. */
async function ownCamera({ em, user }: TestApi): Promise<string> {
  const camera_id = fresh('camera');
  await makeSession(em, user.id, { camera_id });
  return camera_id;
}

async function emptyCamera({ em, user }: TestApi): Promise<string> {
  const id = fresh('camera');
  await query(em, 'insert into cameras (id, name, user_id) values ($1, $1, $2)', [id, user.id]);
  return id;
}

async function ownRecord({ em, user }: TestApi): Promise<number> {
  const camera_id = fresh('camera');
  const session = await makeSession(em, user.id, { camera_id });
  const sql = `insert into detection_records (camera_id, session_id, frame_number, timestamp, person_count, hairnet_violations, saved_for, objects)
    values ($1, $2, 1, now(), 0, 0, 'sample', '[]') returning id::float8 as id`;
  return (await query<{ id: number }>(em, sql, [camera_id, session]))[0]?.id ?? 0;
}

async function ownViolation({ em, user, artifacts }: TestApi): Promise<string> {
  const camera_id = fresh('camera');
  const session = await makeSession(em, user.id, { camera_id });
  const key = `snapshots/${camera_id}.jpg`;
  await artifacts.put(key, 'picture');
  const sql = `insert into violation_events (camera_id, session_id, track_id, violation_type, segment_no, timestamp, last_seen, opened_frame, frames, confidence,
    severity, snapshot_key) values ($1, $2, 'a', 'no_hairnet', 1, now(), now(), 3, 3, 0.9, 'medium', $3) returning id`;
  return (await query<{ id: string }>(em, sql, [camera_id, session, key]))[0]?.id ?? '';
}

const fixed =
  (path: string, more: () => Partial<RouteCase> = () => ({})) =>
  async (): Promise<RouteCase> => ({ path, ...more() });
const own =
  (path: (id: string | number) => string, make: (api: TestApi) => Promise<string | number>, body?: Record<string, unknown>) =>
  async (api: TestApi): Promise<RouteCase> => ({ path: path(await make(api)), owner: true, ...(body ? { body } : {}) });

/** Cases of the routes of detections, see `ROUTE_CASES`. */
export const DETECTION_CASES: Record<string, (api: TestApi) => Promise<RouteCase>> = {
  postDetections: fixed('/detections', () => ({
    raw: {
      type: 'application/json',
      text: JSON.stringify({
        camera_id: fresh('camera'),
        session_id: 'one',
        frame_number: 1,
        objects: [{ track_id: 1, violations: ['no_hairnet'] }],
      }),
    },
  })),
  listDetectionSessions: fixed('/detections/sessions'),
  listDetectionStatistics: fixed('/detections/statistics'),
  listCameras: fixed('/cameras'),
  createCamera: fixed('/cameras', () => ({ body: { id: fresh('camera'), name: 'Door', timezone: 'Europe/Berlin' } })),
  getCamera: own((id) => `/cameras/${id}`, ownCamera),
  changeCamera: own((id) => `/cameras/${id}`, ownCamera, { name: 'Door', timezone: 'Asia/Kolkata' }),
  deleteCamera: own((id) => `/cameras/${id}`, emptyCamera),
  streamCamera: own((id) => `/cameras/${id}/live`, ownCamera),
  streamPictures: own((id) => `/cameras/${id}/live.mjpg`, ownCamera),
  putPicture: async (api) => ({
    path: `/cameras/${await ownCamera(api)}/picture`,
    owner: true,
    raw: { type: 'image/jpeg', text: Buffer.from([0xff, 0xd8, 0xff, 0xd9]) },
  }),
  getDailyStatistics: own((id) => `/cameras/${id}/daily-statistics`, ownCamera),
  listRecords: fixed('/records'),
  getRecord: own((id) => `/records/${id}`, ownRecord),
  listViolations: fixed('/violations'),
  getViolation: own((id) => `/violations/${id}`, ownViolation),
  getViolationSnapshot: own((id) => `/violations/${id}/snapshot`, ownViolation),
  changeViolation: own((id) => `/violations/${id}`, ownViolation, { status: 'confirmed', notes: 'seen' }),
  changeViolations: fixed('/violations/bulk', () => ({
    body: {
      filter: {
        camera_id: 'none',
        session_id: 'one',
        violation_type: 'no_hairnet',
        track_id: '1',
        from: '2026-01-01T00:00:00Z',
        until: '2026-01-02T00:00:00Z',
        status: ['pending'],
        severity: ['low'],
        min_confidence: 0.5,
        open: true,
      },
      status: 'confirmed',
      notes: 'seen',
      dry_run: false,
    },
  })),
};
