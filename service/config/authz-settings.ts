import { path, pathOr, size } from './kind.ts';
import type { Program, SettingDefinition } from './setting.ts';

const AUTHZ = ['authz'] as const satisfies readonly Program[];

/** Settings of the authorization plugin of Docker. */
export const AUTHZ_SETTINGS = {
  'container-policy': {
    kind: pathOr('built-in', 'snapshot'),
    default: 'built-in',
    description:
      'File with container policies, or directory of such files (`*.yaml`); read again when they change. Only root may be able to write to them. `snapshot`: those of the policy snapshot. `built-in`: what the Pod Security level baseline allows, host ports, and the capabilities that Docker gives every container.',
    programs: AUTHZ,
  },
  'plugin-socket': {
    kind: path(),
    default: '/run/docker/plugins/plimsoll.sock',
    description:
      'Unix socket on which dockerd finds its authorization plugin; the name of the plugin is that of the file. Not used where systemd passes a socket.',
    programs: AUTHZ,
  },
  'policy-snapshot': {
    kind: pathOr('off'),
    default: 'off',
    description:
      'Directory with the signed policy snapshot of the collector (`snapshot.json`, `snapshot.sig`), by which images are judged, by the admission webhook pods too, and by the authorization plugin containers where `container-policy` says so; read again when it changes. `off`: images are not judged.',
    programs: ['admission', 'authz'],
  },
  'policy-snapshot-key': {
    kind: path(),
    default: '/etc/plimsoll/policy-snapshot.pub',
    description: 'Public key of the collector in PEM, which must have signed the policy snapshot.',
    programs: ['admission', 'authz'],
  },
  'authz-events': {
    kind: pathOr('off'),
    default: 'off',
    description: 'File to which refused requests are appended as OCSF events, one JSON object per line; `off`: none.',
    programs: AUTHZ,
  },
  'authz-events-max-bytes': {
    kind: size('1MiB', '64GiB'),
    default: '16MiB',
    description: 'Size at which that file is rotated. Five rotated files are kept.',
    programs: AUTHZ,
  },
} satisfies Record<string, SettingDefinition<unknown>>;
