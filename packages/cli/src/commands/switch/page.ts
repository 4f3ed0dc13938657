import type { StatusPage, VioSwitch } from '@vio/switch';
import { LivePage } from '../../page/server/live-page.ts';
import { helloOf } from '../../page/server/page-of.ts';

/** The live page of a switch: its ports as they are whenever somebody looks, without their packets. */
export function switchPage({ telemetry }: VioSwitch): StatusPage {
  const page = new LivePage({ hello: helloOf('switch', false), telemetry });
  return {
    answer: (request, response, host) => page.serve(request, response, host),
    end: () => page.end(),
  };
}
