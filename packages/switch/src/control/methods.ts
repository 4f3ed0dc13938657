import { z } from 'zod';
import type { PortView } from '../switch/views.ts';
import type { VioSwitch } from '../switch/vio-switch.ts';
import { switchError } from '../config/errors.ts';

const name = z.string().max(128);
const byName = z.strictObject({ name });
const byBridge = z.strictObject({ bridge: name.optional() }).default({});
const nothing = z.strictObject({}).default({});

/** What a client of the control socket can ask for, by name; parameters and results are JSON. */
export interface ControlTarget {
  /** What is asked and changed. */
  readonly fabric: VioSwitch;
  /** Reads the configuration anew; undefined: there is no file. */
  readonly reload: (() => Promise<unknown>) | undefined;
  /** What `health` answers, as JSON. */
  health(): object;
}

type Method = (target: ControlTarget, params: unknown) => Promise<unknown>;

function method<P>(schema: z.ZodType<P>, run: (target: ControlTarget, params: P) => unknown): Method {
  return async (target, params) => {
    const parsed = schema.safeParse(params);
    if (parsed.success) return run(target, parsed.data);
    const [issue] = parsed.error.issues;
    throw switchError(
      'CONTROL',
      `the parameters are wrong: ${issue.path.map(String).join('.')} ${issue.message}`,
      'see "Control socket" in the README of @vio/switch',
    );
  };
}

/** Whoever reads JSON sees that there is no link. */
const inJson = (view: PortView): object => ({ ...view, link: view.link ?? null });

export const methods: Readonly<Record<string, Method>> = {
  'add-port': method(z.unknown(), async ({ fabric }, port) => inJson(await fabric.addPort(port))),
  'create-port': method(z.unknown(), async ({ fabric }, port) =>
    inJson(await fabric.addPort(port, { exclusive: true })),
  ),
  'delete-port': method(byName, async ({ fabric }, { name: port }) => ({
    deleted: await fabric.deletePort(port),
  })),
  'show-port': method(byName, ({ fabric }, { name: port }) => inJson(fabric.port(port))),
  'show-ports': method(byBridge, ({ fabric }, { bridge }) => fabric.ports(bridge).map(inJson)),
  'show-bridges': method(nothing, ({ fabric }) => fabric.bridges()),
  'show-macs': method(byBridge, ({ fabric }, { bridge }) => fabric.macs(bridge)),
  'show-workers': method(nothing, ({ fabric }) => fabric.workers()),
  'show-counters': method(nothing, ({ fabric }) => fabric.counters()),
  'flush-macs': method(byBridge, ({ fabric }, { bridge }) => ({ flushed: fabric.flushMacs(bridge) })),
  health: method(nothing, (target) => target.health()),
  reload: method(nothing, ({ reload }) => {
    if (reload !== undefined) return reload();
    throw switchError('CONTROL', 'the switch has no configuration file', 'start it with --config');
  }),
};
