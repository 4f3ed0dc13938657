import type { StatusPage } from '@vio/switch';
import type { SwitchTelemetry } from '@vio/switch/internal';
import { LivePage } from '../../page/server/live-page.ts';
import { helloOf } from '../../page/server/page-of.ts';

/** The live page of a switch: its ports as they are whenever somebody looks, without their packets. */
export function switchPage(seen: SwitchTelemetry): StatusPage {
  const page = new LivePage({
    hello: helloOf('switch', false),
    get telemetry() {
      return seen.telemetry;
    },
  });
  return {
    answer: (request, response, host) => page.serve(request, response, host),
    end: () => page.end(),
  };
}
