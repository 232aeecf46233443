import { addressOrOff, path, pathOr } from './kind.ts';
import type { Program, SettingDefinition } from './setting.ts';

const ENFORCERS = ['admission', 'authz'] as const satisfies readonly Program[];

/** Settings of what enforcing programs report to the collector. */
export const REPORT_SETTINGS = {
  'report-collector': {
    kind: addressOrOff(),
    default: 'off',
    description:
      'Operator API (HTTPS) of the collector to which requests that violate a policy are reported. They wait in `<data-dir>/reports` while it does not answer, at most 32 MiB. `off`: they are not reported.',
    programs: ENFORCERS,
  },
  'report-token-file': {
    kind: path(),
    default: '/etc/plimsoll/report-token',
    description: 'File with an operator token of the role `operator` and the scope `report` for that API.',
    programs: ENFORCERS,
  },
  'report-ca': {
    kind: pathOr('system'),
    default: 'system',
    description:
      'Authorities in PEM that may have signed the certificate of that API; `system`: those that this machine trusts.',
    programs: ENFORCERS,
  },
} satisfies Record<string, SettingDefinition<unknown>>;
