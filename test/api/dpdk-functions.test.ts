// README's table of DPDK's vhost functions and ours has a row for every function of rte_vhost.h, rte_vhost_async.h and
// rte_vhost_crypto.h, and names what there is.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { VhostDevice, VhostDriver } from '@vio/vhost';
import { describe, expect, it } from 'vitest';

/** What rte_vhost.h and rte_vhost_async.h of DPDK 22.11 declare; its names begin with `rte_vhost_`. */
const declared = `async_channel_register async_channel_register_thread_unsafe async_channel_unregister
  async_channel_unregister_thread_unsafe async_dma_configure async_dma_unconfigure async_get_inflight
  async_get_inflight_thread_unsafe async_try_dequeue_burst clear_queue clear_queue_thread_unsafe poll_enqueue_completed
  submit_enqueue_burst avail_entries clr_inflight_desc_packed clr_inflight_desc_split dequeue_burst driver_attach_vdpa_device
  driver_callback_register driver_detach_vdpa_device driver_disable_features driver_enable_features driver_get_features
  driver_get_protocol_features driver_get_queue_num driver_get_vdpa_dev_type driver_get_vdpa_device driver_register
  driver_set_features driver_set_protocol_features driver_start driver_unregister enable_guest_notification enqueue_burst
  extern_callback_register get_ifname get_log_base get_mem_table get_monitor_addr get_mtu get_negotiated_features
  get_negotiated_protocol_features get_numa_node get_vdpa_device get_vhost_ring_inflight get_vhost_vring get_vring_base
  get_vring_base_from_inflight get_vring_num log_used_vring log_write rx_queue_count set_inflight_desc_packed
  set_inflight_desc_split set_last_inflight_io_packed set_last_inflight_io_split set_vring_base slave_config_change
  va_from_guest_pa vring_call vring_call_nonblock vring_stats_get vring_stats_get_names vring_stats_reset`.split(
  /\s+/,
);

/** What rte_vdpa.h and vdpa_driver.h declare, whole. */
const vdpa =
  `rte_vdpa_find_device_by_name rte_vdpa_get_features rte_vdpa_get_protocol_features rte_vdpa_get_queue_num
  rte_vdpa_get_rte_device rte_vdpa_get_stats rte_vdpa_get_stats_names rte_vdpa_register_device rte_vdpa_relay_vring_used
  rte_vdpa_reset_stats rte_vdpa_unregister_device rte_vhost_host_notifier_ctrl`.split(/\s+/);

/** What rte_vhost_crypto.h declares; its names begin with `rte_vhost_crypto_`. */
const crypto = ['create', 'driver_start', 'fetch_requests', 'finalize_requests', 'free', 'set_zero_copy'];

const readme = readFileSync(
  fileURLToPath(new URL('../../packages/vhost/README.md', import.meta.url)),
  'utf8',
);
const [table] = readme.split("### DPDK's function, vio's")[1].split('\n##');
const rows = table
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').slice(1, 3));

/** Names of a class's instances, own and inherited. */
function members(of: { readonly prototype: object }): Set<string> {
  const names = new Set<string>();
  for (let at: unknown = of.prototype; at instanceof Object; at = Object.getPrototypeOf(at))
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  return names;
}

describe("README's table of DPDK's functions", () => {
  it('has each of them once', () => {
    const named = rows.flatMap(([theirs]) =>
      [...theirs.matchAll(/`rte_vhost_(\w+)`/g)].map(([, name]) => name),
    );
    const later = new Set(['notify_guest', 'device_ops', 'host_notifier_ctrl']);
    const wanted = [...declared, ...crypto.map((name) => `crypto_${name}`)];
    expect(named.filter((name) => !later.has(name)).toSorted()).toEqual(wanted.toSorted());
  });

  it('has each of those of vDPA once', () => {
    const named = rows.flatMap(([theirs]) => [...theirs.matchAll(/`(rte_\w+)`/g)].map(([, name]) => name));
    expect(named.filter((name) => vdpa.includes(name) || name.startsWith('rte_vdpa')).toSorted()).toEqual(
      vdpa,
    );
  });

  it('says for each what ours is called, or why there is none', () => {
    expect(rows.filter(([, ours]) => !/`|^ none[:,] /.test(ours))).toEqual([]);
  });

  it.each([
    ['device', VhostDevice],
    ['driver', VhostDriver],
  ] as const)('names members that a %s has', (variable, of) => {
    const has = members(of);
    const named = rows.flatMap(([, ours]) =>
      [...ours.matchAll(new RegExp(`\\b${variable}\\.(\\w+)`, 'g'))].map(([, name]) => name),
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !has.has(name))).toEqual([]);
  });
});
