import { pathOr, paths } from './kind.ts';
import type { Program, SettingDefinition } from './setting.ts';

const JUDGES = ['agent', 'collector', 'up', 'scan', 'client'] as const satisfies readonly Program[];

/** Settings of custom checks and profiles. */
export const TAILORING_SETTINGS = {
  'checks-file': {
    kind: paths(),
    default: '',
    description:
      'Custom checks: YAML files, or directories whose `*.yaml` and `*.yml` are read at the start. The agent judges by them; ' +
      'the collector and client commands need the same files to show rationale, remediation and controls.',
    programs: JUDGES,
  },
  profile: {
    kind: pathOr('none'),
    default: 'none',
    description:
      'YAML file with a profile: which checks are judged, with which parameters and severities. Give the agents and the collector the same one; `none`: all checks, with their defaults.',
    programs: JUDGES,
  },
} satisfies Record<string, SettingDefinition<unknown>>;
