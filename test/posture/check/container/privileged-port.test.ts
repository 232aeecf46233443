import t from 'tap';
import { privilegedPort } from '../../../../posture/check/container/privileged-port.ts';
import { namespaceOf } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const port = (hostPort: number, hostIp = '0.0.0.0') => ({ containerPort: '80/tcp', hostIp, hostPort });

judgeContainers(t, privilegedPort, [
  { name: 'none published', verdict: 'pass', seen: ['none'] },
  {
    name: '80, on both families: said once',
    container: { declared: { ports: [port(80), port(80, '::')] } },
    verdict: 'fail',
    seen: ['80 -> 80/tcp'],
  },
  { name: '80, on IPv6 only', container: { declared: { ports: [port(80, '::')] } }, verdict: 'fail' },
  { name: '1023', container: { declared: { ports: [port(1023)] } }, verdict: 'fail' },
  {
    name: '1024 is the first that needs no privilege',
    container: { declared: { ports: [port(1024)] } },
    verdict: 'pass',
  },
  {
    name: 'of several, only the low one is named',
    container: { declared: { ports: [port(8080), port(443)] } },
    verdict: 'fail',
    seen: ['443 -> 80/tcp'],
  },
  { name: 'not bound yet', container: { declared: { ports: [port(0)] } }, verdict: 'pass' },
  {
    name: 'the network of the node',
    container: { namespaces: { net: namespaceOf('net', 4026531833, true) } },
    verdict: 'unknown',
    reason: /cannot be identified/,
  },
]);
