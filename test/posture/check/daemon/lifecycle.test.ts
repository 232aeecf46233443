import t from 'tap';
import { baseDeviceSize } from '../../../../posture/check/daemon/base-device-size.ts';
import { experimental } from '../../../../posture/check/daemon/experimental.ts';
import { liveRestore } from '../../../../posture/check/daemon/live-restore.ts';
import { pendingRestart } from '../../../../posture/check/daemon/pending-restart.ts';
import { storageDriver } from '../../../../posture/check/daemon/storage-driver.ts';
import {
  ABSENT,
  AFTER,
  BLIND,
  FILE,
  PENDING,
  STARTED,
  api,
  docker,
  file,
  flags,
  noApi,
  noFile,
  noProcess,
  options,
} from '../../../fixture/docker-rows.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

judgeNodes(t, liveRestore, [
  { name: 'default', facts: docker(), verdict: 'fail', seen: ['false'] },
  { name: 'on', facts: docker(api({ liveRestore: true })), verdict: 'pass', seen: ['true'] },
  { name: 'in a swarm', facts: docker(api({ swarm: 'active' })), verdict: 'notApplicable' },
  // --live-restore=false passes with docker-bench.
  { name: 'false by flag', facts: docker(flags({ 'live-restore': ['false'] })), verdict: 'fail' },
  {
    name: 'changed, not reloaded',
    facts: docker(file({ 'live-restore': true }, AFTER)),
    verdict: 'fail',
    seen: ['false', `"live-restore": true (${PENDING})`],
  },
  {
    name: 'on, and taken out of a newer file',
    facts: docker(api({ liveRestore: true }), file({}, AFTER)),
    verdict: 'pass',
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, pendingRestart, [
  { name: 'no file', facts: docker(), verdict: 'notApplicable' },
  {
    name: 'older file',
    facts: docker(file({ icc: true })),
    verdict: 'pass',
    seen: ['modified 2026-11-25T07:00:00Z, dockerd started 2026-11-25T08:00:00Z'],
  },
  {
    name: 'newer, and it differs',
    facts: docker(file({ 'live-restore': true }, AFTER)),
    verdict: 'fail',
    seen: [
      'false',
      `"live-restore": true (${PENDING})`,
      'modified 2026-11-25T09:00:00Z, dockerd started 2026-11-25T08:00:00Z',
    ],
  },
  {
    name: 'taken out of the file',
    facts: docker(api({ liveRestore: true }), file({}, AFTER)),
    verdict: 'fail',
    sources: ['GET /info LiveRestoreEnabled'],
  },
  { name: 'newer, and nothing that shows differs', facts: docker(file({ iptables: true }, AFTER)), verdict: 'manual' },
  { name: 'written while dockerd started', facts: docker(file({ iptables: true }, STARTED + 900)), verdict: 'pass' },
  // Such a file, and dockerd does not come up again.
  {
    name: 'said twice',
    facts: docker(flags({ host: ['fd://'] }), file({ hosts: ['unix:///var/run/docker.sock'] }, AFTER)),
    verdict: 'fail',
    sources: [FILE],
  },
  {
    name: 'runtimes may be said twice',
    facts: docker(flags({ runtimes: ['a=b'] }), file({ runtimes: {} })),
    verdict: 'pass',
  },
  {
    name: 'a profile of the old name',
    facts: docker(options(['seccomp', 'default']), file({ 'seccomp-profile': 'builtin' })),
    verdict: 'pass',
  },
  {
    name: 'insecure registries that the daemon writes another way',
    facts: docker(api({ insecureRegistries: ['10.0.0.0/8'] }), file({ 'insecure-registries': ['10.1.2.3/8'] })),
    verdict: 'pass',
  },
  {
    name: 'a loopback registry is not listed',
    facts: docker(file({ 'insecure-registries': ['localhost:5000'] })),
    verdict: 'pass',
  },
  {
    name: 'rootless was not configured',
    facts: docker(options(['rootless'], ['seccomp', 'builtin']), file({})),
    verdict: 'pass',
  },
  { name: 'no start time', facts: docker(noProcess, file({})), verdict: 'unknown', reason: /hidepid/ },
  { name: 'unreadable', facts: docker(noFile), verdict: 'unknown', reason: /daemon\.json/ },
  ABSENT,
  BLIND,
]);

judgeNodes(t, experimental, [
  { name: 'off', facts: docker(), verdict: 'pass' },
  { name: 'on', facts: docker(api({ experimental: true })), verdict: 'fail', seen: ['true'] },
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, storageDriver, [
  { name: 'overlay2', facts: docker(), verdict: 'pass' },
  { name: 'aufs', facts: docker(api({ storageDriver: 'aufs' })), verdict: 'fail' },
  { name: 'devicemapper', facts: docker(api({ storageDriver: 'devicemapper' })), verdict: 'fail' },
  {
    name: 'API for others only, by flag',
    facts: docker(noApi, flags({ 'storage-driver': ['aufs'] })),
    verdict: 'fail',
  },
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown', reason: /GET \/info/ },
  ABSENT,
  BLIND,
]);

const mapper = api({ storageDriver: 'devicemapper' });
judgeNodes(t, baseDeviceSize, [
  { name: 'overlay2', facts: docker(), verdict: 'notApplicable', reason: /overlay2/ },
  { name: 'default', facts: docker(mapper), verdict: 'pass' },
  {
    name: 'larger',
    facts: docker(mapper, flags({ 'storage-opt': ['dm.fs=xfs', 'dm.basesize=40G'] })),
    verdict: 'fail',
  },
  { name: 'larger in the file', facts: docker(mapper, file({ 'storage-opts': ['dm.basesize=40G'] })), verdict: 'fail' },
  ABSENT,
  BLIND,
]);
