import { settingCheck } from './setting.ts';

/** Defaults of dockerd: of the cgroupfs driver, and of the systemd driver. */
const DEFAULTS: ReadonlySet<string> = new Set(['', '/docker', 'docker', 'system.slice']);

export const cgroupParent = settingCheck({
  id: 'daemon.cgroup-parent',
  title: 'Default cgroup parent is used',
  failTitle: 'Cgroup parent of the daemon was changed',
  severity: 'low',
  rationale:
    'Under another parent, containers share limits with other processes, or escape the limits that apply to containers on the default parent.',
  remediation:
    'Remove "cgroup-parent" from daemon.json and --cgroup-parent from the flags of dockerd, unless that cgroup is sized for containers.',
  rule: {
    flag: 'cgroup-parent',
    whenUnset: [''],
    problem: 'containers do not start below the default cgroup',
    expected: 'not set',
    accepts: (values) => DEFAULTS.has(values.at(-1) ?? ''),
  },
});
