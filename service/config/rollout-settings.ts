import { configMapOrOff, duration, path, pathOr } from './kind.ts';
import type { Program, SettingDefinition } from './setting.ts';

const ROLLOUT = ['rollout'] as const satisfies readonly Program[];

/** Settings of rollouts. */
export const ROLLOUT_SETTINGS = {
  'rollout-policies': {
    kind: path(),
    default: '/etc/plimsoll/rollout-policies',
    description:
      'Policy file, or directory with policy files, whose documents of the kind RolloutPolicy are used; those of other kinds are checked and left aside. It is read again for each round.',
    programs: ROLLOUT,
  },
  'rollout-interval': {
    kind: duration('1s', '1h'),
    default: '30s',
    description: 'Time between two rounds of planning.',
    programs: ROLLOUT,
  },
  'rollout-lease': {
    kind: configMapOrOff('Lease', 'plimsoll/plimsoll-rollout'),
    default: 'plimsoll/plimsoll-rollout',
    description:
      'Lease (coordination.k8s.io), as `namespace/name`, that one of several processes holds: only that one acts. `off`: there is one process.',
    programs: ROLLOUT,
  },
  'rollout-webhook-key': {
    kind: pathOr('none'),
    default: 'none',
    description:
      'File with the key that calls of webhooks are signed with (HMAC-SHA256); `none`: webhooks of the format `signed` are not called.',
    programs: ROLLOUT,
  },
  'rollout-dispatch-token': {
    kind: pathOr('none'),
    default: 'none',
    description:
      'File with the bearer token for webhooks of the format `repositoryDispatch`; `none`: they are not called.',
    programs: ROLLOUT,
  },
  'rollout-webhook-ca': {
    kind: pathOr('system'),
    default: 'system',
    description:
      'Authorities in PEM that may have signed the certificates of webhooks; `system`: those that this machine trusts.',
    programs: ROLLOUT,
  },
} satisfies Record<string, SettingDefinition<unknown>>;
