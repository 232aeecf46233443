import t from 'tap';
import { devices } from '../../../../posture/check/container/devices.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { ContainerOverrides } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const list = '/sys/fs/cgroup/devices/docker/0a/devices.list';
const rules = (...value: readonly string[]): ContainerOverrides => ({
  deviceRules: seen(['b *:* m', 'c *:* m', 'c 1:3 rwm', 'c 136:* rwm', ...value], list),
});
const declares = (path: string, permissions = 'rwm'): ContainerOverrides => ({
  declared: { devices: [{ path, permissions }] },
});
const v2 = absent('devices.list of the cgroup');

judgeContainers(t, devices, [
  { name: 'none', verdict: 'pass', seen: ['the usual devices only', 'none'] },
  {
    name: 'a tunnel',
    container: declares('/dev/net/tun'),
    verdict: 'fail',
    severity: 'medium',
    seen: ['/dev/net/tun rwm'],
  },
  { name: 'a disk', container: declares('/dev/sda1', 'r'), verdict: 'fail', severity: 'high', seen: ['/dev/sda1 r'] },
  { name: 'memory', container: declares('/dev/mem'), verdict: 'fail', severity: 'high' },
  {
    name: 'a graphics card',
    container: { declared: { deviceRequests: 1 } },
    verdict: 'fail',
    severity: 'medium',
    seen: ['1 requested'],
  },
  {
    name: 'one kind by rule',
    container: { declared: { deviceCgroupRules: ['c 10:229 rwm'] } },
    verdict: 'fail',
    severity: 'medium',
  },
  {
    name: 'every device by rule',
    container: { declared: { deviceCgroupRules: ['a *:* rwm'] } },
    verdict: 'fail',
    severity: 'critical',
  },
  { name: 'a rule that opens nothing', container: { declared: { deviceCgroupRules: ['b *:* m'] } }, verdict: 'pass' },
  {
    name: 'privileged lists none and has all',
    container: { declared: { privileged: true }, deviceRules: seen(['a *:* rwm'], list) },
    verdict: 'fail',
    severity: 'critical',
    seen: ['declared privileged, so all devices', 'a *:* rwm'],
  },
  {
    name: 'all devices, allowed after the start',
    container: { deviceRules: seen(['a *:* rwm'], list) },
    verdict: 'fail',
    severity: 'critical',
    seen: ['a *:* rwm'],
  },
  { name: 'every disk', container: rules('b *:* r'), verdict: 'fail', severity: 'critical' },
  { name: 'one disk', container: rules('b 254:0 r'), verdict: 'fail', severity: 'high', seen: ['b 254:0 r'] },
  { name: 'memory by number', container: rules('c 1:1 r'), verdict: 'fail', severity: 'high' },
  { name: 'a sound card', container: rules('c 116:* rw'), verdict: 'fail', severity: 'medium', seen: ['c 116:* rw'] },
  { name: 'a rule of another kind', container: rules('p 1:1'), verdict: 'unknown', reason: /unknown form/ },
  {
    name: 'not readable',
    container: { deviceRules: unreadable(list, 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'not readable, but declared',
    container: { ...declares('/dev/fuse'), deviceRules: unreadable(list, 'permission denied (EACCES)') },
    verdict: 'fail',
    severity: 'medium',
    reason: /^the device \/dev\/fuse of the host is accessible$/,
  },
  { name: 'version 2: what was declared decides', container: { deviceRules: v2 }, verdict: 'pass', seen: ['none'] },
  {
    name: 'version 2, declared',
    container: { ...declares('/dev/kvm'), deviceRules: v2 },
    verdict: 'fail',
    severity: 'medium',
  },
]);
