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

/** Writes what passes through a port to a file, from now on. @param snaplen bytes kept of each packet */
export function captureToFile(port: NetPort, file: string, snaplen: number): FileCapture {
  const capture = port.capture({ snaplen, format: file.endsWith('.pcapng') ? 'pcapng' : 'pcap' });
  const written = pipeline(capture, createWriteStream(file)).then(
    () => null,
    (error: unknown) => error,
  );
  return {
    async end(output) {
      capture.stop();
      const cause = await written;
      if (cause !== null) throw writeError(file, cause);
      const { captured, dropped } = capture;
      output.record(
        'capture',
        { file, captured, dropped },
        `${file}: ${captured} packets, ${dropped} missing`,
      );
    },
  };
}

function writeError(file: string, cause: unknown): VioError {
  return new VioError(`the capture could not be written to ${file}`, {
    code: 'VIO_CLI_PCAP',
    remedy: 'name a file in a directory this user may write to, on a disk that has room',
    cause,
  });
}
