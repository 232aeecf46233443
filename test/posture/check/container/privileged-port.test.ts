import t from 'tap';
import { privilegedPort } from '../../../../posture/check/container/privileged-port.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { namespaceOf } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const port = (hostPort: number, hostIp = '0.0.0.0') => ({ containerPort: '80/tcp', hostIp, hostPort });

const onHost = { namespaces: { net: namespaceOf('net', 4026531833, true) } };
const held = (...ports: readonly { port: number; address: string; source: string }[]) => seen(ports, '/proc/1/net/tcp');

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
    name: 'the network of the node, whose low ports could not be read',
    container: { ...onHost, hostPorts: unreadable('/proc/1/net/tcp', 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'it listens on a low port of the node',
    container: { ...onHost, hostPorts: held({ port: 80, address: '::', source: '/proc/4121/fd' }) },
    verdict: 'fail',
    seen: ['[::]:80'],
  },
  { name: 'it listens on none', container: { ...onHost, hostPorts: held() }, verdict: 'pass', seen: ['none'] },
  {
    name: 'not each of its processes was seen',
    container: { ...onHost, hostPorts: held(), complete: false, incompleteReason: 'too many' },
    verdict: 'unknown',
  },
  {
    name: 'a process of a container with a network of its own joined that of the node',
    container: { hostPorts: held({ port: 80, address: '0.0.0.0', source: '/proc/4133/fd' }) },
    verdict: 'fail',
  },
]);
