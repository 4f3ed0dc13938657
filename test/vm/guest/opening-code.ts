import { VioError } from '@vio/native';

/**
 * The code of what an attempt fails with, in words what is no error of ours, `none` where it does not fail. What it opened is
 * closed.
 */
export async function codeOfOpening(attempt: Promise<{ close(): unknown } | void>): Promise<string> {
  try {
    const opened = await attempt;
    await opened?.close();
    return 'none';
  } catch (error) {
    return VioError.is(error) ? error.code : String(error);
  }
}
