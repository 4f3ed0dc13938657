/** The keys of a port's devargs with their defaults, for --help. */
export const devargsHelp = `
Devargs are key=value pairs, separated by commas, with DPDK's names and defaults:
  path=SOCKET      of the vhost-user backend, or /dev/vhost-net (needed)
  queues=1         queue pairs, 1 to 128
  queue_size=256   descriptors per ring
  server=0         1: listen on the path, the backend connects
  packed_vq=0      1: packed rings
  in_order=1       0: used buffers in any order
  mrg_rxbuf=1      0: one receive buffer for each frame
  vectorized=0     1: prefer a vectorised path
  mac=ADDRESS      as in 02:00:00:00:00:01 (default: random)
  speed=MBIT       link speed to report
  cq=0             1: control queue
  iface=NAME       of a vhost-kernel backend: the name of the tap
Or they are the address of a PCI device, as in 0000:00:04.0,vectorized=1, which takes vectorized and speed.`;
