// What can go wrong with a port on vhost-net, on the real one of a stock kernel.
import { expect, it } from 'vitest';
import { reportOf } from './guest.ts';

interface FaultReport {
  readonly codes: Readonly<Record<string, string>>;
  readonly opened: number;
  readonly refused: number;
  readonly before: object;
  readonly after: object;
}

it('tells what is wrong by name, and keeps nothing of a thousand ports and failures', async () => {
  const report = await reportOf<FaultReport>('faults', { timeout: 360_000 });
  expect(report.codes).toEqual({
    'a name of another kind': 'VIO_TAP_MISMATCH',
    'several queues on a tap of one': 'VIO_TAP_MISMATCH',
    'a tap held by another port': 'VIO_TAP_IN_USE',
    'packed rings': 'VIO_FEATURE_MISSING',
    'a tap deleted under the port': 'VIO_TAP_GONE',
    'without permission': 'VIO_VHOST_NET_PERMISSION',
  });
  expect(report).toMatchObject({ opened: 500, refused: 500, after: report.before });
}, 380_000);
