// What is deployed on Kubernetes, against the schemas of Kubernetes, and against those who read it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseConfig } from '@vio/switch';
import { runPlugin } from '@vio/cni';
import { DaemonSet } from 'kubernetes-models/apps/v1/DaemonSet';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Namespace } from 'kubernetes-models/v1/Namespace';
import { Pod } from 'kubernetes-models/v1/Pod';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

const deploy = fileURLToPath(new URL('../../packages/cni/deploy', import.meta.url));

interface Container {
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data: Readonly<Record<string, string>>;
  readonly spec: {
    readonly config: string;
    readonly securityContext: Readonly<Record<string, unknown>>;
    readonly containers: readonly Container[];
    readonly volumes: readonly { readonly name: string }[];
    readonly template: {
      readonly spec: Manifest['spec'] & { readonly initContainers: readonly Container[] };
    };
  };
}

const manifests = ['base', 'demo'].flatMap((directory) =>
  readdirSync(join(deploy, directory))
    .filter((file) => file !== 'kustomization.yaml')
    .flatMap((file) =>
      parseAllDocuments(readFileSync(join(deploy, directory, file), 'utf8')).map((document) => {
        const manifest = document.toJS() as Manifest;
        return {
          file: `${directory}/${file}`,
          title: `${manifest.kind} ${manifest.metadata.name}`,
          manifest,
        };
      }),
    ),
);
const one = (title: string): Manifest => {
  const found = manifests.find((candidate) => candidate.title === title);
  if (found === undefined) throw new Error(`there is no ${title}`);
  return found.manifest;
};

const schemas: Readonly<Record<string, new (manifest: never) => { validate(): void }>> = {
  ConfigMap,
  DaemonSet,
  Namespace,
  Pod,
};

describe.each(manifests.filter(({ manifest }) => manifest.kind !== 'NetworkAttachmentDefinition'))(
  '$file: $title',
  ({ manifest }) => {
    it('is what Kubernetes takes', () => {
      expect(() => new schemas[manifest.kind](manifest as never).validate()).not.toThrow();
    });

    it('mounts only volumes that it has', () => {
      const spec = manifest.spec?.template?.spec ?? manifest.spec;
      const containers = [
        ...(manifest.spec?.template?.spec.initContainers ?? []),
        ...(spec?.containers ?? []),
      ];
      const volumes = (spec?.volumes ?? []).map(({ name }) => name);
      const mounted = containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
      expect(mounted.filter((name) => !volumes.includes(name))).toEqual([]);
    });
  },
);

describe.each(['base', 'demo'])('the kustomization %s', (directory) => {
  it('names every file there is', () => {
    const { resources } = parse(readFileSync(join(deploy, directory, 'kustomization.yaml'), 'utf8')) as {
      resources: string[];
    };
    const files = readdirSync(join(deploy, directory)).filter((file) => file !== 'kustomization.yaml');
    expect(resources.toSorted()).toEqual(files.toSorted());
  });
});

describe('the demo', () => {
  it.each(['server', 'client'])('has the pod %s as the restricted pod security wants it', (name) => {
    const { spec } = one(`Pod ${name}`);
    expect(spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    for (const { securityContext } of spec.containers) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  it('has a network that the plugin takes, up to the switch that is not here', async () => {
    const { plugins, cniVersion, name } = JSON.parse(one('NetworkAttachmentDefinition fast').spec.config) as {
      plugins: object[];
      cniVersion: string;
      name: string;
    };
    const conf = { cniVersion, name, ...plugins[0], control: '/nowhere/switch.sock' };
    const attempt = runPlugin({ CNI_COMMAND: 'STATUS' }, JSON.stringify(conf));
    await expect(attempt).rejects.toMatchObject({
      code: 50,
      message: expect.stringContaining('/nowhere/switch.sock'),
    });
  });
});

describe.each(['Dockerfile.switch', 'Dockerfile.app'])('the image of %s', (file) => {
  const lines = readFileSync(join(deploy, file), 'utf8').split('\n');

  it('has a last stage of its own, and is no root', () => {
    const stages = lines.filter((line) => line.startsWith('FROM ')).length;
    const user = lines.findLast((line) => line.startsWith('USER '));
    expect([stages, user]).toEqual([2, expect.stringMatching(/^USER [1-9]\d*:[1-9]\d*$/)]);
  });

  it('starts programs that there are', () => {
    const programs = lines.join('\n').matchAll(/\/opt\/vio\/([\w./-]+\.js)/g);
    const missing = Array.from(programs, ([, program]) => program).filter(
      (program) => !existsSync(join(deploy, '../../..', program)),
    );
    expect(missing).toEqual([]);
  });
});

describe('the base', () => {
  it('has a configuration that the switch takes', () => {
    const config = parseConfig(parse(one('ConfigMap vio-switch').data['switch.yaml']));
    expect(config).toMatchObject({ control: '/run/vio/switch.sock', bridges: [{ name: 'br0' }] });
  });

  it('installs a plugin that needs nothing in the PATH', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vio-install-'));
    try {
      for (let i = 0; i < 2; i++) execFileSync(join(deploy, 'install-cni.sh'), [directory]);
      const version = execFileSync(join(directory, 'vio-cni'), {
        env: { CNI_COMMAND: 'VERSION' },
        encoding: 'utf8',
      });
      expect([JSON.parse(version), readdirSync(directory).toSorted()]).toMatchObject([
        { cniVersion: '1.1.0' },
        ['.vio', 'vio-cni'],
      ]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
