// Looked at before anything else: what comes after asks Node for what an old one does not have.
import { nodeProblem } from '../scripts/machine.mjs';
import { VioError } from './error.ts';

function ofSupportedNode({ env }: NodeJS.Process): NodeJS.ProcessEnv {
  const problem = nodeProblem(process);
  if (problem === undefined) return env;
  const [message, wanted] = problem.replace(/\.$/, '').split('; vio needs ');
  throw new VioError(message, { code: 'VIO_NODE_UNSUPPORTED', remedy: `use ${wanted}` });
}

/** The environment of a process whose Node will do. @throws VioError VIO_NODE_UNSUPPORTED when the module is loaded by another */
export const env: NodeJS.ProcessEnv = ofSupportedNode(process);
