import { Migration0001Initial } from './0001-initial.ts';
import { Migration0002Admission } from './0002-admission.ts';
import { Migration0003Controls } from './0003-controls.ts';
import { Migration0004Schedules } from './0004-schedules.ts';
import { Migration0005Retention } from './0005-retention.ts';
import { Migration0006Scheduling } from './0006-scheduling.ts';
import { Migration0007Deliveries } from './0007-deliveries.ts';
import { Migration0008Slas } from './0008-slas.ts';
import { Migration0009Waves } from './0009-waves.ts';
import { Migration0010Containers } from './0010-containers.ts';
import { Migration0011Images } from './0011-images.ts';
import { Migration0012Flames } from './0012-flames.ts';
import { Migration0013Video } from './0013-video.ts';
import { Migration0014Detection } from './0014-detection.ts';
import { Migration0015ScheduleExclusions } from './0015-schedule-exclusions.ts';
import { Migration0016Logs } from './0016-logs.ts';
import { Migration0017QuotaRounds } from './0017-quota-rounds.ts';
import { Migration0018SlaLooks } from './0018-sla-looks.ts';
import { Migration0019RoomForUpdates } from './0019-room-for-updates.ts';

/** Every migration, oldest first; a released one is never edited. */
export const migrations = [
  { name: '0001-initial', class: Migration0001Initial },
  { name: '0002-admission', class: Migration0002Admission },
  { name: '0003-controls', class: Migration0003Controls },
  { name: '0004-schedules', class: Migration0004Schedules },
  { name: '0005-retention', class: Migration0005Retention },
  { name: '0006-scheduling', class: Migration0006Scheduling },
  { name: '0007-deliveries', class: Migration0007Deliveries },
  { name: '0008-slas', class: Migration0008Slas },
  { name: '0009-waves', class: Migration0009Waves },
  { name: '0010-containers', class: Migration0010Containers },
  { name: '0011-images', class: Migration0011Images },
  { name: '0012-flames', class: Migration0012Flames },
  { name: '0013-video', class: Migration0013Video },
  { name: '0014-detection', class: Migration0014Detection },
  { name: '0015-schedule-exclusions', class: Migration0015ScheduleExclusions },
  { name: '0016-logs', class: Migration0016Logs },
  { name: '0017-quota-rounds', class: Migration0017QuotaRounds },
  { name: '0018-sla-looks', class: Migration0018SlaLooks },
  { name: '0019-room-for-updates', class: Migration0019RoomForUpdates },
];
