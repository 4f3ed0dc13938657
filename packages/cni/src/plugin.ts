import type { Backend, WantedPort } from './backends/backend.ts';
import { ovsBackend } from './backends/ovs-backend.ts';
import { switchBackend } from './backends/switch-backend.ts';
import { type Conf, decode, parseConf, supportedVersions } from './conf.ts';
import { containerOf, deviceInfo, writeDeviceInfo } from './contract/device-info.ts';
import { type Attachment, type Environment, parseEnvironment } from './environment.ts';
import { CniError, codes } from './errors.ts';
import { delegate } from './ipam.ts';
import { macFor } from './names.ts';
import { type CniResult, resultOf } from './result.ts';
import { clearPlace, placeOf, prepareDirectory, removeFile, socketPlace } from './socket-place.ts';

/** One call of the plugin. @returns what goes to stdout; undefined: nothing @throws CniError */
export async function runPlugin(
  env: Readonly<Record<string, string | undefined>>,
  stdin: string,
): Promise<object | undefined> {
  const environment = parseEnvironment(env);
  const { command, attachment } = environment;
  if (command === 'VERSION') return { cniVersion: supportedVersions.at(-1), supportedVersions };
  const conf = parseConf(decode(stdin));
  const backend = conf.backend === 'ovs' ? ovsBackend : switchBackend;
  if (command === 'STATUS') return status(conf, environment, backend);
  if (command === 'GC') return collect(conf, environment, backend);
  if (attachment === undefined) throw new TypeError('the environment was checked');
  if (command === 'ADD') return add(conf, environment, attachment, backend);
  if (command === 'CHECK') return check(conf, environment, attachment, backend);
  return remove(conf, environment, attachment, backend);
}

/** All of it is made, or nothing. */
async function add(
  conf: Conf,
  environment: Environment,
  attachment: Attachment,
  backend: Backend,
): Promise<CniResult> {
  const port = wantedPort(conf, environment, attachment);
  const place = socketPlace(conf, environment);
  prepareDirectory(place, conf);
  await backend.create(port);
  try {
    const addresses = await delegate(conf, environment, 'ADD');
    try {
      const info = deviceInfo(conf, attachment.containerId, place.inContainer, port.mac);
      writeDeviceInfo(place.infoFile, info);
      if (conf.deviceInfoFile !== undefined) writeDeviceInfo(conf.deviceInfoFile, info);
      const made = {
        name: attachment.ifName,
        mac: port.mac,
        sandbox: environment.netns,
        socketPath: place.path,
      };
      return resultOf(conf, made, addresses);
    } catch (error) {
      await delegate(conf, environment, 'DEL').catch(() => undefined);
      throw error;
    }
  } catch (error) {
    removeFile(place.infoFile);
    await backend.delete(conf, attachment).catch(() => {});
    throw error;
  }
}

/** What is not there is deleted already. */
async function remove(
  conf: Conf,
  environment: Environment,
  attachment: Attachment,
  backend: Backend,
): Promise<undefined> {
  await delegate(conf, environment, 'DEL');
  await backend.delete(conf, attachment);
  if (conf.deviceInfoFile !== undefined) removeFile(conf.deviceInfoFile);
  try {
    const place = socketPlace(conf, environment);
    // A pod whose sandbox was made anew has the place of before: what is there is the new one's.
    const owner = containerOf(place.infoFile) ?? attachment.containerId;
    if (owner === attachment.containerId) clearPlace(place);
  } catch (error) {
    // A runtime that does not say any more whose it was: the directory goes with the pod.
    if (!(error instanceof CniError) || error.code !== codes.invalidConf) throw error;
  }
  return undefined;
}

async function check(
  conf: Conf,
  environment: Environment,
  attachment: Attachment,
  backend: Backend,
): Promise<undefined> {
  const { prevResult } = conf;
  if (prevResult === undefined) {
    throw new CniError(
      codes.invalidConf,
      'CHECK comes without prevResult',
      'the runtime gives the result of ADD',
    );
  }
  const mine = prevResult.interfaces?.find(({ name }) => name === attachment.ifName);
  if (mine === undefined) {
    throw new CniError(
      codes.notAsAdded,
      `the result of ADD has no interface ${attachment.ifName}`,
      'add the container again',
    );
  }
  const port = wantedPort(conf, environment, attachment);
  await backend.check({ ...port, mac: mine.mac ?? port.mac });
  await delegate(conf, environment, 'CHECK');
  return undefined;
}

async function status(conf: Conf, environment: Environment, backend: Backend): Promise<undefined> {
  try {
    await backend.status(conf);
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    throw new CniError(codes.unavailable, error.message, error.details, error);
  }
  if (conf.cniVersion === '1.1.0') await delegate(conf, environment, 'STATUS');
  return undefined;
}

async function collect(conf: Conf, environment: Environment, backend: Backend): Promise<undefined> {
  const valid = conf.validAttachments.map(({ containerID, ifname }) => ({
    containerId: containerID,
    ifName: ifname,
  }));
  for (const path of await backend.collect(conf, valid)) clearPlace(placeOf(path));
  // Plugins of before 1.1 know neither STATUS nor GC.
  if (conf.cniVersion === '1.1.0') await delegate(conf, environment, 'GC');
  return undefined;
}

function wantedPort(conf: Conf, environment: Environment, attachment: Attachment): WantedPort {
  const { path } = socketPlace(conf, environment);
  return { conf, attachment, path, mac: conf.mac ?? macFor(conf.name, attachment) };
}
