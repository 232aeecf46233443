import type { Declared } from '../../fact/container.ts';
import { failAs, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement, Severity } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';

/** Memory, kernel log and disks of the node: the node itself, by another name. */
const NODE_ITSELF = /^\/dev\/(?:mem|kmem|port|kmsg|mapper|disk|block|(?:sd|hd|vd|xvd)[a-z]|nvme\d|dm-\d|md\d|loop)/;
/** The same by number, devices.txt: mem, kmem, port, kmsg. */
const MEMORY = new Set(['1:1', '1:2', '1:4', '1:11']);

/** What runc allows every container: null, zero, full, random, urandom, tty, console, ptmx, tun, pseudo terminals. */
const USUAL = new Set(['1:3', '1:5', '1:7', '1:8', '1:9', '5:0', '5:1', '5:2', '10:200', '136:*']);

export const devices = containerCheck({
  id: 'container.devices',
  title: 'No container is given devices of the node',
  severity: 'medium',
  rationale:
    'A device passes by the file system and the kernel interfaces that confine a container: from a disk of the node, all its files can be read and changed.',
  remediation:
    'Start the container without --device, --device-cgroup-rule and --gpus, or waive the finding for a node whose purpose that is. Devices that are only read need the permission r alone.',
  references: ['https://docs.docker.com/reference/cli/docker/container/run/#device'],
  judges: 'container',
  needs: [],
  judge: ({ declared, deviceRules: rules }) => {
    const parts = [...declaredParts(declared)];
    if (rules.state === 'seen') parts.push(...rules.value.map((rule) => judgeRule(rule, rules.source)));
    else if (rules.state === 'unreadable') parts.push(notSeen(rules));
    const worst = allOf(
      'medium',
      parts.filter((part) => part !== undefined),
    );
    if (worst.verdict !== 'notApplicable') return worst;
    const none = { source: 'inspect HostConfig.Devices', seen: 'none', expected: 'none' };
    return rules.state === 'seen'
      ? pass({ source: rules.source, seen: 'the usual devices only', expected: 'the usual devices only' }, none)
      : pass(none);
  },
});

/**
 * A rule of the devices cgroup, `c 1:3 rwm`; undefined where it gives nothing of the node. Who may only make a device
 * node (m) cannot open it.
 */
function judgeRule(rule: string, source: string): Judgement | undefined {
  const match = /^([abc]) (\*|\d+):(\*|\d+) ([rwm]+)$/.exec(rule.trim());
  const evidence = { source, seen: quote(rule), expected: 'the usual devices only' };
  if (match === null) return unknownBecause('a rule of the devices cgroup is not understood', evidence);
  const [, type, major = '', minor = '', access = ''] = match;
  const number = `${major}:${minor}`;
  if (!/[rw]/.test(access) || (type === 'c' && USUAL.has(number))) return undefined;
  if (type === 'a' || major === '*') return failAs('critical', evidence);
  return failAs(type === 'b' || MEMORY.has(number) || number === '1:*' ? 'high' : 'medium', evidence);
}

function declaredParts({
  privileged,
  devices,
  deviceRequests,
  deviceCgroupRules,
}: Declared): readonly (Judgement | undefined)[] {
  const found = (severity: Severity, field: string, seen: string): Judgement =>
    failAs(severity, { source: `inspect HostConfig.${field}`, seen, expected: 'none' });
  return [
    privileged ? found('critical', 'Privileged', 'declared privileged, so all devices') : undefined,
    ...devices.map(({ path, permissions }) =>
      found(NODE_ITSELF.test(path) ? 'high' : 'medium', 'Devices', `${quote(path)} ${permissions}`.trim()),
    ),
    deviceRequests > 0 ? found('medium', 'DeviceRequests', `${String(deviceRequests)} requested`) : undefined,
    ...deviceCgroupRules.map((rule) => {
      const judged = judgeRule(rule, 'inspect HostConfig.DeviceCgroupRules');
      return judged?.verdict === 'unknown' ? found('medium', 'DeviceCgroupRules', quote(rule)) : judged;
    }),
  ];
}
