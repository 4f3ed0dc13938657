import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { VioError } from '@vio/native';
import type { NetPort } from '@vio/net';
import type { Output } from '../../output.ts';

/** A capture that is written to a file. */
export interface FileCapture {
  /** Ends it, once everything is written, and says what is in the file. @throws VioError VIO_CLI_PCAP when it cannot be written */
  end(output: Output): Promise<void>;
}

/** The file name that stands for stdout. */
export const standardOutput = '-';

/**
 * Writes what passes through a port to a file, from now on. Whoever reads a pipe and leaves has seen enough: the capture ends,
 * and nothing is wrong.
 * @param file its name, or `-` for stdout
 * @param snaplen bytes kept of each packet
 */
export function captureToFile(port: NetPort, file: string, snaplen: number): FileCapture {
  const capture = port.capture({ snaplen, format: file.endsWith('.pcapng') ? 'pcapng' : 'pcap' });
  const toStdout = file === standardOutput;
  const target = toStdout ? process.stdout : createWriteStream(file);
  const written = pipeline(capture, target, { end: !toStdout }).then(
    () => undefined,
    (error: unknown) => error,
  );
  return {
    async end(output) {
      capture.stop();
      const cause = await written;
      if (cause !== undefined && !isBrokenPipe(cause)) throw writeError(file, cause);
      const { captured, dropped } = capture;
      const name = toStdout ? 'stdout' : file;
      output.record(
        'capture',
        { file, captured, dropped },
        `${name}: ${captured} packets, ${dropped} missing`,
      );
    },
  };
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}

function writeError(file: string, cause: unknown): VioError {
  return new VioError(`the capture could not be written to ${file}`, {
    code: 'VIO_CLI_PCAP',
    remedy: 'name a file in a directory this user may write to, on a disk that has room',
    cause,
  });
}
