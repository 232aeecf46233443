import { settingCheck } from './setting.ts';

/** What dockerd uses where nobody says anything: by the cgroupfs driver, and by the systemd driver. */
const DEFAULTS: ReadonlySet<string> = new Set(['', '/docker', 'docker', 'system.slice']);

export const cgroupParent = settingCheck({
  id: 'daemon.cgroup-parent',
  title: 'Containers start in the default control group',
  severity: 'low',
  rationale:
    'Under another parent, containers share limits with what else runs there, or escape the limits that were set for containers on the default parent.',
  remediation:
    'Remove "cgroup-parent" from daemon.json and --cgroup-parent from the flags of dockerd, unless somebody sized that control group for containers.',
  rule: {
    flag: 'cgroup-parent',
    whenUnset: [''],
    expected: 'not set',
    accepts: (values) => DEFAULTS.has(values.at(-1) ?? ''),
  },
});
