import t from 'tap';
import { icc } from '../../../../posture/check/daemon/icc.ts';
import { insecureRegistries } from '../../../../posture/check/daemon/insecure-registries.ts';
import { iptables } from '../../../../posture/check/daemon/iptables.ts';
import { swarm } from '../../../../posture/check/daemon/swarm.ts';
import { userlandProxy } from '../../../../posture/check/daemon/userland-proxy.ts';
import { absent, seen } from '../../../../posture/observed.ts';
import {
  ABSENT,
  AFTER,
  BLIND,
  FILE,
  PENDING,
  api,
  docker,
  file,
  flags,
  noApi,
  noFile,
} from '../../../fixture/docker-rows.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

judgeNodes(t, icc, [
  { name: 'default', facts: docker(), verdict: 'fail', seen: ['com.docker.network.bridge.enable_icc: true'] },
  { name: 'off', facts: docker({ bridgeInterContainer: seen(false, 'GET /networks/bridge') }), verdict: 'pass' },
  {
    name: 'no default bridge',
    facts: docker({ bridgeInterContainer: absent('GET /networks/bridge') }),
    verdict: 'pass',
  },
  // The network that runs decides: docker-bench believes the file.
  {
    name: 'asked for in the file, not restarted',
    facts: docker(file({ icc: false }, AFTER)),
    verdict: 'fail',
    seen: ['com.docker.network.bridge.enable_icc: true', `"icc": false (${PENDING})`],
  },
  {
    name: 'off, but nobody enforces it',
    facts: docker({ bridgeInterContainer: seen(false, 'GET /networks/bridge') }, flags({ iptables: ['false'] })),
    verdict: 'fail',
    seen: ['com.docker.network.bridge.enable_icc: false', '--iptables=false'],
  },
  { name: 'API for others only, off by nobody', facts: docker(noApi), verdict: 'fail' },
  { name: 'API for others only, off by flag', facts: docker(noApi, flags({ icc: ['false'] })), verdict: 'unknown' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, iptables, [
  { name: 'default', facts: docker(), verdict: 'pass' },
  { name: 'true', facts: docker(file({ iptables: true })), verdict: 'pass' },
  { name: 'false by flag', facts: docker(flags({ iptables: ['false'] })), verdict: 'fail', seen: ['--iptables=false'] },
  { name: '0 is false', facts: docker(flags({ iptables: ['0'] })), verdict: 'fail' },
  { name: 'false in the file', facts: docker(file({ iptables: false })), verdict: 'fail', sources: [FILE] },
  {
    name: 'false in a newer file',
    facts: docker(file({ iptables: false }, AFTER)),
    verdict: 'fail',
    seen: [`"iptables": false (${PENDING})`],
  },
  { name: 'file not readable', facts: docker(noFile), verdict: 'unknown', reason: /daemon\.json: permission denied/ },
  { name: 'file not readable, but a flag', facts: docker(noFile, flags({ iptables: ['true'] })), verdict: 'pass' },
  ABSENT,
  BLIND,
]);

judgeNodes(t, insecureRegistries, [
  { name: 'none', facts: docker(), verdict: 'pass', seen: ['none'] },
  {
    name: 'one',
    facts: docker(api({ insecureRegistries: ['registry.example:5000'] })),
    verdict: 'fail',
    severity: 'high',
    seen: ['registry.example:5000'],
  },
  { name: 'a network', facts: docker(api({ insecureRegistries: ['10.0.0.0/8'] })), verdict: 'fail' },
  { name: 'loopback only', facts: docker(api({ insecureRegistries: ['127.0.0.0/8', '::1/128'] })), verdict: 'pass' },
  { name: 'more than loopback', facts: docker(api({ insecureRegistries: ['127.0.0.0/4'] })), verdict: 'fail' },
  // Reloadable: the file was changed and dockerd told, or not told.
  { name: 'in the file only', facts: docker(file({ 'insecure-registries': ['a.example'] }, AFTER)), verdict: 'pass' },
  {
    name: 'API for others only, proved by the flags',
    facts: docker(noApi, flags({ 'insecure-registry': ['a.example', 'b.example'] })),
    verdict: 'fail',
    seen: ['--insecure-registry=a.example --insecure-registry=b.example'],
  },
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown', reason: /GET \/info: permission denied/ },
  ABSENT,
  BLIND,
]);

judgeNodes(t, userlandProxy, [
  { name: 'default', facts: docker(), verdict: 'fail' },
  { name: 'off', facts: docker(file({ 'userland-proxy': false })), verdict: 'pass' },
  // docker-bench matches the one spelling only.
  { name: 'off in another spelling', facts: docker(flags({ 'userland-proxy': ['F'] })), verdict: 'pass' },
  {
    name: 'off in the file, but proxies run',
    facts: docker(file({ 'userland-proxy': false }, AFTER), { userlandProxies: seen(3, '/proc/*/comm docker-proxy') }),
    verdict: 'fail',
    seen: ['docker-proxy processes: 3', `"userland-proxy": false (${PENDING})`],
  },
  ABSENT,
  BLIND,
]);

judgeNodes(t, swarm, [
  { name: 'inactive', facts: docker(), verdict: 'pass' },
  ...['active', 'pending', 'locked', 'error'].map((state) => ({
    name: state,
    facts: docker(api({ swarm: state })),
    verdict: 'fail' as const,
    seen: [state],
  })),
  { name: 'API for others only', facts: docker(noApi), verdict: 'unknown' },
  ABSENT,
  BLIND,
]);
