// What the kernel has a limit for.
import { EventFd, SharedMemory } from '@vio/native';
import { VhostNetTransport } from '@vio/vhost-kernel/internal';
import { codeOfOpening } from '../opening-code.ts';

const page = 4096;

/** @returns codes of what goes beyond a limit */
export async function exceedLimits() {
  const transport = VhostNetTransport.open({ path: '/dev/vhost-net', queues: 1 });
  const { maxRegions } = transport;
  using memory = SharedMemory.create({ size: (maxRegions + 1) * page });
  using event = EventFd.create();
  const regions = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      guestAddress: 2 * i * page,
      userAddress: 2 * i * page,
      size: page,
      mmapOffset: i * page,
      fd: memory.fd,
    }));
  await transport.setOwner();
  const codes = {
    'regions too many': await codeOfOpening(transport.setMemTable(regions(maxRegions + 1))),
    'as many as there may be': await codeOfOpening(transport.setMemTable(regions(maxRegions))),
    'a ring outside of them': await codeOfOpening(
      transport.setVringAddr(0, { descriptors: page, driver: 0, device: 0 }),
    ),
    'a ring of no power of two': await codeOfOpening(transport.setVringNum(0, 3)),
    'a call that is no eventfd': await codeOfOpening(transport.setVringCall(0, memory.fd)),
    'a call that is one': await codeOfOpening(transport.setVringCall(0, event.fd)),
    'a ring that has no memory': await codeOfOpening(transport.setVringEnable(0, true)),
    'two owners': await codeOfOpening(transport.setOwner()),
  };
  transport.close();
  return codes;
}
