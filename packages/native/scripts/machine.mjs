// What vio asks of a machine: one sentence says what is wrong with this one. Written for any Node that has modules, for
// an old one is to be told so as well: no syntax and no function that came after Node 12.

/** The first version of each line of Node that vio runs on; lines between them ended early. */
const nodes = { 20: 19, 22: 12 };
const newest = 24;

/** @returns {string | undefined} a sentence when vio does not run on this system or architecture */
export function platformProblem(host) {
  if (host.platform === 'linux' && ['x64', 'arm64'].indexOf(host.arch) >= 0) return undefined;
  return `${host.platform}-${host.arch} is not supported; vio needs Linux on x64 or arm64.`;
}

/** @returns {string | undefined} a sentence when vio does not run on this Node */
export function nodeProblem(host) {
  const version = String(host.versions.node);
  const [major, minor] = version.split('.').map(Number);
  if (major >= newest || (major in nodes && minor >= nodes[major])) return undefined;
  return `Node ${version} is not supported; vio needs Node 20.19, 22.12, or 24 and newer (https://nodejs.org).`;
}

/** @returns {string | undefined} a sentence when vio does not run here */
export function machineProblem() {
  return platformProblem(process) || nodeProblem(process);
}
