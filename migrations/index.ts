import { Migration0001Initial } from './0001-initial.ts';
import { Migration0002Admission } from './0002-admission.ts';
import { Migration0003Controls } from './0003-controls.ts';
import { Migration0004Schedules } from './0004-schedules.ts';
import { Migration0005Retention } from './0005-retention.ts';
import { Migration0006Scheduling } from './0006-scheduling.ts';
import { Migration0010Containers } from './0010-containers.ts';
import { Migration0011Images } from './0011-images.ts';
import { Migration0012Flames } from './0012-flames.ts';
import { Migration0013Video } from './0013-video.ts';
import { Migration0016Logs } from './0016-logs.ts';

/** Every migration, oldest first; a released one is never edited. */
export const migrations = [
  { name: '0001-initial', class: Migration0001Initial },
  { name: '0002-admission', class: Migration0002Admission },
  { name: '0003-controls', class: Migration0003Controls },
  { name: '0004-schedules', class: Migration0004Schedules },
  { name: '0005-retention', class: Migration0005Retention },
  { name: '0006-scheduling', class: Migration0006Scheduling },
  { name: '0010-containers', class: Migration0010Containers },
  { name: '0011-images', class: Migration0011Images },
  { name: '0012-flames', class: Migration0012Flames },
  { name: '0013-video', class: Migration0013Video },
  { name: '0016-logs', class: Migration0016Logs },
];
