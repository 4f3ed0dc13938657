/** How ports are connected, as testpmd's `--port-topology` says it. */
export const portTopologies = ['paired', 'chained', 'loop'] as const;
export type PortTopology = (typeof portTopologies)[number];

/**
 * The port by which packets leave that came in by `port`: its neighbour (0 and 1, 2 and 3, ...; a last one without a neighbour is its
 * own), the next one round, or the same.
 * @param ports how many there are
 */
export function partner(topology: PortTopology, port: number, ports: number): number {
  if (topology === 'loop') return port;
  if (topology === 'chained') return (port + 1) % ports;
  const neighbour = port ^ 1;
  return neighbour < ports ? neighbour : port;
}
