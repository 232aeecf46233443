import t from 'tap';
import { portBindAddress } from '../../../../posture/check/container/port-bind-address.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const port = (hostIp: string) => ({ containerPort: '80/tcp', hostIp, hostPort: 8080 });

judgeContainers(t, portBindAddress, [
  { name: 'none published', verdict: 'pass', seen: ['none'] },
  {
    name: 'loopback',
    container: { declared: { ports: [port('127.0.0.1')] } },
    verdict: 'pass',
    seen: ['127.0.0.1:8080 -> 80/tcp'],
  },
  {
    name: 'IPv6 loopback',
    container: { declared: { ports: [port('::1')] } },
    verdict: 'pass',
    seen: ['[::1]:8080 -> 80/tcp'],
  },
  {
    name: 'everywhere, both families: said once',
    container: { declared: { ports: [port('0.0.0.0'), port('::')] } },
    verdict: 'fail',
    seen: ['0.0.0.0 and [::]:8080 -> 80/tcp'],
  },
  { name: 'everywhere, IPv6 only', container: { declared: { ports: [port('::')] } }, verdict: 'fail' },
  {
    name: 'everywhere, unsaid',
    container: { declared: { ports: [port('')] } },
    verdict: 'fail',
    seen: ['*:8080 -> 80/tcp'],
  },
  { name: 'everywhere, in full', container: { declared: { ports: [port('0:0:0:0:0:0:0:0')] } }, verdict: 'fail' },
  { name: 'the network of the node', container: { declared: { networkMode: 'host' } }, verdict: 'notApplicable' },
]);
