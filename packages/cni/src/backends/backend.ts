import type { Conf } from '../conf.ts';
import type { Attachment } from '../environment.ts';

/** A port as it is asked for. */
export interface WantedPort {
  readonly conf: Conf;
  readonly attachment: Attachment;
  /** Of its socket. */
  readonly path: string;
  readonly mac: string;
}

/** A switch that has ports. All of it throws CniError: 11 when the switch is away. */
export interface Backend {
  /** @throws CniError 100 when it is there already, 102 when the switch refuses it */
  create(port: WantedPort): Promise<void>;
  /** One that is not there is deleted already. */
  delete(conf: Conf, attachment: Attachment): Promise<void>;
  /** @throws CniError 101 when it is not there, or not as it was made */
  check(port: WantedPort): Promise<void>;
  /** Whether the switch, and the bridge, are there. */
  status(conf: Conf): Promise<void>;
  /** Deletes all ports of a network but these. @returns the paths of their sockets */
  collect(conf: Conf, valid: readonly Attachment[]): Promise<string[]>;
}
