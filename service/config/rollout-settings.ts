import { path } from './kind.ts';
import type { Program, SettingDefinition } from './setting.ts';

const ROLLOUT = ['rollout'] as const satisfies readonly Program[];

/** Settings of rollouts. */
export const ROLLOUT_SETTINGS = {
  'rollout-policies': {
    kind: path(),
    default: '/etc/plimsoll/rollout-policies',
    description:
      'Policy file, or directory with policy files, whose documents of the kind RolloutPolicy are used; those of other kinds are checked and left aside.',
    programs: ROLLOUT,
  },
} satisfies Record<string, SettingDefinition<unknown>>;
