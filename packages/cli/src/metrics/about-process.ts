import { version } from '../version.ts';

/** In Prometheus' text: that this process is there, and what it is. */
export function aboutProcess(): string {
  const node = process.versions.node;
  return `# HELP vio_up 1 while the program runs.
# TYPE vio_up gauge
vio_up 1
# HELP vio_build_info What runs here.
# TYPE vio_build_info gauge
vio_build_info{version="${version}",node="${node}",arch="${process.arch}"} 1
`;
}
