// A backend behind a guest's I/O MMU, in a process of its own. Arguments: socket, queue pairs, address of the host behind it,
// and `audit` to have every copy checked, which leaves out the kernels in C++, or `guard` and the file of the page guard, with which the
// process dies of what it may not touch.
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_RING_PACKED } from '@vio/rings';
import { VhostDriver } from '@vio/vhost';
import { Station } from '../support/station.ts';
import { IommuAudit } from './iommu-audit.ts';
import { IommuGuard } from './iommu-guard.ts';
import { tell } from './say.ts';
import type { IommuSaid } from './vhost-user-iommu-plan.ts';

const [socket, pairs, address, watch, pageGuard] = process.argv.slice(2);
const say = (said: IommuSaid): boolean => tell(said);

const audit = new IommuAudit();
if (watch === 'audit') audit.watch();
const guard = watch === 'guard' ? new IommuGuard(pageGuard, audit) : undefined;
const station = new Station(address);
const driver = VhostDriver.register(socket, { iommuSupport: true });
driver.setQueueNum(Number(pairs));
driver.externHandlers({
  before: (device, message) => {
    audit.hear(message);
    return guard?.hear(device, message);
  },
});
driver.callbacks({
  newConnection: (device) => station.serve(device),
  newDevice: ({ features }) => {
    const has = (feature: bigint): boolean => (features & feature) !== 0n;
    say({ device: { packed: has(VIRTIO_F_RING_PACKED), platform: has(VIRTIO_F_ACCESS_PLATFORM) } });
  },
  destroyConnection: (device) => {
    const { misses = 0, updates = 0, invalidations = 0 } = device.translations ?? {};
    const { copies, wrong, unmapped } = audit;
    const { changes = 0, away = 0 } = guard ?? {};
    const guarded = guard === undefined ? {} : { guard: { changes, away } };
    say({ audit: { copies, wrong, unmapped, misses, updates, invalidations, ...guarded } });
  },
  refused: (_, { code, message }) => say({ trouble: `${code}: ${message}` }),
  broken: (_, queue, { code, detail }) => say({ trouble: `ring ${queue}: ${code}, ${detail}` }),
});
await driver.start();
say({ listens: true });
