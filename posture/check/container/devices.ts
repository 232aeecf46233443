import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact, Declared } from '../../fact/container.ts';
import { failAs, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement, Severity } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';

/** Memory, kernel log and disks: access to these is access to the whole host. */
const HOST_ITSELF = /^\/dev\/(?:mem|kmem|port|kmsg|mapper|disk|block|(?:sd|hd|vd|xvd)[a-z]|nvme\d|dm-\d|md\d|loop)/;
/** The same by number, devices.txt: mem, kmem, port, kmsg. */
const MEMORY = new Set(['1:1', '1:2', '1:4', '1:11']);

/** What runc allows every container: null, zero, full, random, urandom, tty, console, ptmx, tun, pseudo terminals. */
const USUAL = new Set(['1:3', '1:5', '1:7', '1:8', '1:9', '5:0', '5:1', '5:2', '10:200', '136:*']);

export const devices = containerCheck({
  id: 'container.devices',
  title: 'Only default devices are accessible',
  failTitle: 'Devices beyond the default set are accessible',
  judgedBy: 'effect',
  severity: 'critical',
  severityLevels: [
    { severity: 'critical', when: 'all devices are accessible' },
    { severity: 'high', when: 'a disk, the memory or the kernel log of the host is accessible' },
    { severity: 'medium', when: 'another device is accessible' },
  ],
  rationale:
    'Access to a device bypasses the file system and the kernel interfaces that confine a container: through a disk of the host, all its files can be read and changed.',
  remediation:
    'Start the container without --device, --device-cgroup-rule and --gpus, or waive the finding for a host with that purpose. Give devices that are only read the permission r.',
  references: ['https://docs.docker.com/reference/cli/docker/container/run/#device'],
  judges: 'container',
  ownKernel: 'declared',
  needs: [],
  judge: (container) => {
    const { deviceRules: rules } = container;
    const parts = [...declaredParts(container)];
    if (rules.state === 'seen') parts.push(...rules.value.map((rule) => judgeRule(rule, rules.source)));
    else if (rules.state === 'unreadable') parts.push(notSeen(rules));
    const worst = allOf(
      'critical',
      parts.filter((part) => part !== undefined),
    );
    if (worst.verdict !== 'notApplicable') return worst;
    const none = { source: sourceOf(container, 'devices'), seen: 'none', expected: 'none' };
    return rules.state === 'seen'
      ? pass({ source: rules.source, seen: 'the usual devices only', expected: 'the usual devices only' }, none)
      : pass(none);
  },
});

/**
 * Judges a rule of the devices cgroup, `c 1:3 rwm`; undefined for a default device. The permission to create a device
 * node (m) alone does not allow opening it.
 */
function judgeRule(rule: string, source: string): Judgement | undefined {
  const match = /^([abc]) (\*|\d+):(\*|\d+) ([rwm]+)$/.exec(rule.trim());
  const evidence = { source, seen: quote(rule), expected: 'the usual devices only' };
  if (match === null) return unknownBecause('a rule of the devices cgroup has an unknown form', evidence);
  const [, type, major = '', minor = '', access = ''] = match;
  const number = `${major}:${minor}`;
  if (!/[rw]/.test(access) || (type === 'c' && USUAL.has(number))) return undefined;
  if (type === 'a' || major === '*') return failAs('critical', 'all devices of the host are accessible', evidence);
  if (type === 'b') return failAs('high', `the disk with device number ${number} is accessible`, evidence);
  if (MEMORY.has(number) || number === '1:*')
    return failAs('high', 'memory or kernel log of the host is accessible', evidence);
  return failAs('medium', `the device with number ${number} is accessible`, evidence);
}

function declaredParts(container: ContainerFact): readonly (Judgement | undefined)[] {
  const { privileged, devices, deviceRequests, deviceCgroupRules } = container.declared;
  // gVisor gives no devices to a container that is privileged.
  const hasAll = privileged && !(container.ownKernel.state === 'seen' && container.ownKernel.value.kind === 'gvisor');
  const found = (severity: Severity, field: keyof Declared, meaning: string, seen: string): Judgement =>
    failAs(severity, meaning, { source: sourceOf(container, field), seen, expected: 'none' });
  return [
    hasAll
      ? found('critical', 'privileged', 'all devices of the host are accessible', 'declared privileged, so all devices')
      : undefined,
    ...devices.map(({ path, permissions }) =>
      found(
        HOST_ITSELF.test(path) ? 'high' : 'medium',
        'devices',
        `the device ${quote(path)} of the host is accessible`,
        `${quote(path)} ${permissions}`.trim(),
      ),
    ),
    deviceRequests > 0
      ? found('medium', 'deviceRequests', 'devices such as GPUs are accessible', `${String(deviceRequests)} requested`)
      : undefined,
    ...deviceCgroupRules.map((rule) => {
      const judged = judgeRule(rule, sourceOf(container, 'deviceCgroupRules'));
      return judged?.verdict === 'unknown'
        ? found('medium', 'deviceCgroupRules', 'a device rule was added', quote(rule))
        : judged;
    }),
  ];
}
