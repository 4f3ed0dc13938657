import { fileURLToPath } from 'node:url';
import { type ServiceClientConstructor, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** What the kubelet sends and gets, as far as it is used here. */
export interface Device {
  readonly ID: string;
  readonly health: 'Healthy' | 'Unhealthy';
}

export interface AllocateRequest {
  readonly container_requests: readonly { readonly devices_ids: readonly string[] }[];
}

export interface ContainerAllocateResponse {
  readonly envs: Readonly<Record<string, string>>;
  readonly mounts: readonly {
    readonly container_path: string;
    readonly host_path: string;
    readonly read_only: boolean;
  }[];
}

export interface RegisterRequest {
  readonly version: string;
  readonly endpoint: string;
  readonly resource_name: string;
}

interface Services {
  readonly Registration: ServiceClientConstructor;
  readonly DevicePlugin: ServiceClientConstructor;
}

let loaded: Services | undefined;

/** The two services of the kubelet's device plugin API, from their published description. */
export function services(): Services {
  return (loaded ??= load());
}

function load(): Services {
  const file = fileURLToPath(new URL('../../proto/deviceplugin.proto', import.meta.url));
  const definition = loadPackageDefinition(loadSync(file, { keepCase: true, defaults: true }));
  return definition['v1beta1'] as object as Services;
}
