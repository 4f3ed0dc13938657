export { encrypted } from './cipher.ts';
export {
  type Failure,
  applicationError,
  codeOf,
  codeOfCall,
  coded,
  failingHandler,
  failureOf,
  rejectionOf,
} from './failure.ts';
export { type Holdings, holdings, holdingsLike } from './holdings.ts';
export * from './plain.ts';
export { scratchDirectory } from './scratch.ts';
