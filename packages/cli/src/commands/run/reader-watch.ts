import { VioError } from '@vio/native';
import { watchDuplicate } from '@vio/native/internal';

const standardOutput = 1;

/**
 * Notices that whoever reads standard output has left, also while there is nothing to write: that is the error then that the next
 * write would meet. A file or a terminal has no reader that could leave.
 */
export function watchReader(): Disposable {
  let end = (): void => {};
  const left = (): void => {
    end();
    end = () => {};
    process.stdout.destroy(Object.assign(new Error('nobody reads standard output'), { code: 'EPIPE' }));
  };
  try {
    end = watchDuplicate(standardOutput, {}, left);
  } catch (error) {
    // The kernel polls no files.
    if (!VioError.is(error)) throw error;
  }
  return { [Symbol.dispose]: () => end() };
}
