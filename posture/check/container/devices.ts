import type { Declared } from '../../fact/container.ts';
import { fail, failAs, pass } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';

/** Memory, kernel log and disks of the node: the node itself, by another name. */
const NODE_ITSELF = /^\/dev\/(?:mem|kmem|port|kmsg|mapper|disk|block|(?:sd|hd|vd|xvd)[a-z]|nvme\d|dm-\d|md\d|loop)/;

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
  judge: ({ declared }) => {
    const evidence = deviceEvidence(declared);
    if (evidence.length === 0) return pass({ source: 'inspect HostConfig.Devices', seen: 'none', expected: 'none' });
    const isNodeItself =
      declared.privileged ||
      declared.devices.some((path) => NODE_ITSELF.test(path)) ||
      // `a`: all devices; `b`: any block device, where no single one is named.
      declared.deviceCgroupRules.some((rule) => /^\s*(?:a|b\s+\*)/.test(rule));
    return isNodeItself ? failAs('high', ...evidence) : fail(...evidence);
  },
});

function deviceEvidence({ privileged, devices, deviceRequests, deviceCgroupRules }: Declared): readonly Evidence[] {
  const evidence: Evidence[] = [];
  const add = (field: string, seen: string): void => {
    evidence.push({ source: `inspect HostConfig.${field}`, seen, expected: 'none' });
  };
  if (privileged) add('Privileged', 'declared privileged, so all devices');
  if (devices.length > 0) add('Devices', quoteList(devices));
  if (deviceRequests > 0) add('DeviceRequests', `${String(deviceRequests)} requested`);
  if (deviceCgroupRules.length > 0) add('DeviceCgroupRules', quoteList(deviceCgroupRules));
  return evidence;
}
