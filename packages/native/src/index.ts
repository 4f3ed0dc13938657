export { VioError, type VioErrorDetails } from './error.ts';
