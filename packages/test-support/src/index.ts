export { type Failure, codeOf, codeOfCall, coded, failureOf, rejectionOf } from './failure.ts';
export { type Holdings, holdings, holdingsLike } from './holdings.ts';
export { collectGarbage, fdFlags, mappingField, mappingsNamed, openFds } from './process-state.ts';
export { scratchDirectory } from './scratch.ts';
export { turns, until } from './until.ts';
