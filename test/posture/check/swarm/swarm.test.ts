import t from 'tap';
import type { NodeCheck } from '../../../../posture/check/check.ts';
import { autoLock } from '../../../../posture/check/swarm/auto-lock.ts';
import { certificateExpiry } from '../../../../posture/check/swarm/certificate-expiry.ts';
import { dataPath } from '../../../../posture/check/swarm/data-path.ts';
import { listenAddress } from '../../../../posture/check/swarm/listen-address.ts';
import { managerCount } from '../../../../posture/check/swarm/manager-count.ts';
import { overlayEncryption } from '../../../../posture/check/swarm/overlay-encryption.ts';
import { rootCertificateAge } from '../../../../posture/check/swarm/root-certificate-age.ts';
import { serviceSecrets } from '../../../../posture/check/swarm/service-secrets.ts';
import { unlockKeyRotation } from '../../../../posture/check/swarm/unlock-key-rotation.ts';
import type { DockerFact } from '../../../../posture/fact/docker.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import type { Swarm, SwarmCluster } from '../../../../posture/fact/swarm.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { api, docker, noApi } from '../../../fixture/docker-rows.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';
import type { NodeRow } from '../../../fixture/node-table.ts';

const NOW = Date.UTC(2026, 10, 25);
const CLUSTER: SwarmCluster = {
  managers: 3,
  autoLock: true,
  certificateDays: 90,
  rootIssuedAtMs: Date.UTC(2026, 0, 1),
  rootExpiresAtMs: Date.UTC(2046, 0, 1),
  rotating: false,
};
const SWARM: Swarm = {
  nodeAddress: '10.0.0.1',
  isManager: true,
  cluster: seen(CLUSTER, 'GET /swarm'),
  overlays: seen([], 'GET /networks'),
  serviceSecrets: seen([], 'GET /services'),
};

function part(changes: Partial<Swarm>, more: Partial<DockerFact> = {}): Partial<Facts> {
  const swarm = seen({ ...SWARM, ...changes }, 'GET /info Swarm');
  return { ...docker(api({ swarm: 'active' }), { swarm }, more), clock: { nowMs: NOW } };
}
const cluster = (changes: Partial<SwarmCluster>): Partial<Facts> =>
  part({ cluster: seen({ ...CLUSTER, ...changes }, 'GET /swarm') });
const none = absent('GET /info Swarm.ControlAvailable');
const worker: Partial<Swarm> = { isManager: false, cluster: none, serviceSecrets: none };
const hidden = unreadable('GET /swarm', 'HTTP 503');

/** What every check of a swarm says where there is none, or nothing can be read of it. */
const COMMON: readonly NodeRow[] = [
  { name: 'no swarm', verdict: 'notApplicable' },
  { name: 'a locked manager', facts: docker(api({ swarm: 'locked' })), verdict: 'unknown', reason: /locked/ },
  { name: 'the engine does not answer', facts: docker(noApi), verdict: 'unknown' },
  {
    name: 'the swarm cannot be read',
    facts: docker(api({ swarm: 'active' }), { swarm: unreadable('GET /info Swarm', 'not recorded') }),
    verdict: 'unknown',
  },
];
const rows = (check: NodeCheck, own: readonly NodeRow[]): void => {
  judgeNodes(t, check, [...COMMON, ...own]);
};
/** On a worker nobody can say; docker-bench-security warns there. */
const MANAGERS_ONLY: readonly NodeRow[] = [
  { name: 'a worker', facts: part(worker), verdict: 'notApplicable' },
  { name: 'a manager that does not answer', facts: part({ cluster: hidden }), verdict: 'unknown' },
];

rows(managerCount, [
  ...MANAGERS_ONLY,
  { name: 'three', facts: cluster({}), verdict: 'pass', seen: ['3'] },
  { name: 'two, of which one is the leader', facts: cluster({ managers: 2 }), verdict: 'fail', reason: /even/ },
  { name: 'nine', facts: cluster({ managers: 9 }), verdict: 'fail' },
]);
rows(autoLock, [
  ...MANAGERS_ONLY,
  { name: 'on', facts: cluster({}), verdict: 'pass' },
  { name: 'off', facts: cluster({ autoLock: false }), verdict: 'fail' },
]);
rows(unlockKeyRotation, [
  ...MANAGERS_ONLY,
  { name: 'a key', facts: cluster({}), verdict: 'manual' },
  { name: 'no key', facts: cluster({ autoLock: false }), verdict: 'notApplicable' },
]);
rows(certificateExpiry, [
  ...MANAGERS_ONLY,
  { name: 'the default', facts: cluster({}), verdict: 'pass', seen: ['90 days'] },
  {
    name: '36 hours, where docker-bench-security accepts 2 days only',
    facts: cluster({ certificateDays: 1.5 }),
    verdict: 'pass',
    seen: ['1.5 days'],
  },
  { name: 'a year', facts: cluster({ certificateDays: 365 }), verdict: 'fail' },
]);
rows(rootCertificateAge, [
  ...MANAGERS_ONLY,
  { name: 'of this year', facts: cluster({}), verdict: 'pass' },
  { name: 'of 2023', facts: cluster({ rootIssuedAtMs: Date.UTC(2023, 0, 1) }), verdict: 'manual' },
  { name: 'ends next month', facts: cluster({ rootExpiresAtMs: NOW + 30 * 86_400_000 }), verdict: 'fail' },
  { name: 'not understood', facts: cluster({ rootIssuedAtMs: null }), verdict: 'unknown' },
]);
const overlay = (name: string, encrypted: boolean, ingress = false) => ({ name, encrypted, ingress });
rows(overlayEncryption, [
  { name: 'none', facts: part({}), verdict: 'pass' },
  { name: 'all encrypted', facts: part({ overlays: seen([overlay('shop', true)], 'GET /networks') }), verdict: 'pass' },
  {
    name: 'that of the swarm, and one of its own',
    facts: part({ overlays: seen([overlay('ingress', false, true), overlay('shop', false)], 'GET /networks') }),
    verdict: 'fail',
    seen: ['ingress (of the swarm itself), shop'],
  },
  { name: 'cannot be read', facts: part({ overlays: hidden }), verdict: 'unknown' },
]);
rows(serviceSecrets, [
  { name: 'a worker', facts: part(worker), verdict: 'notApplicable' },
  { name: 'none', facts: part({}), verdict: 'pass' },
  {
    name: 'a password in a variable',
    facts: part({ serviceSecrets: seen([{ service: 'db', variables: ['PASSWORD'] }], 'GET /services') }),
    verdict: 'fail',
    seen: ['db: PASSWORD'],
  },
  { name: 'cannot be read', facts: part({ serviceSecrets: hidden }), verdict: 'unknown' },
]);
const ports = (...addresses: readonly string[]): Partial<DockerFact> => ({
  swarmPorts: seen(
    addresses.map((address) => ({ address, port: 2377 })),
    '/proc/812/net/tcp',
  ),
});
rows(listenAddress, [
  { name: 'a worker', facts: part(worker), verdict: 'notApplicable' },
  { name: 'one address', facts: part({}, ports('10.0.0.1')), verdict: 'pass', seen: ['10.0.0.1 port 2377'] },
  { name: 'all addresses of IPv6, and so of IPv4', facts: part({}, ports('::')), verdict: 'fail' },
  { name: 'all addresses', facts: part({}, ports('10.0.0.1', '0.0.0.0')), verdict: 'fail' },
  { name: 'not found', facts: part({}, ports()), verdict: 'unknown' },
  {
    name: 'cannot be read',
    facts: part({}, { swarmPorts: unreadable('/proc/812/net/tcp', 'denied') }),
    verdict: 'unknown',
  },
]);
rows(dataPath, [{ name: 'a person knows', facts: part({}), verdict: 'manual', seen: ['10.0.0.1'] }]);
