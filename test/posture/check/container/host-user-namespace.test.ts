import t from 'tap';
import { hostUserNamespace } from '../../../../posture/check/container/host-user-namespace.ts';
import { unreadable } from '../../../../posture/observed.ts';
import { namespaceOf, otherContext } from '../../../fixture/container.ts';
import { dockerApi, dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const remap = { docker: dockerFact({ api: dockerApi({ securityOptions: [{ name: 'userns', options: {} }] }) }) };
const silent = { docker: dockerFact({ api: unreadable('GET /info', 'no answer within 5 s') }) };
const own = { user: namespaceOf('user', 4026532300, false) };
const hidden = { user: unreadable('/proc/4121/ns/user', 'permission denied (EACCES)') };

judgeContainers(t, hostUserNamespace, [
  {
    name: 'no remapping: the daemon is judged, not each container',
    verdict: 'notApplicable',
    reason: /daemon.userns-remap/,
  },
  {
    name: 'no remapping, but the node was asked for',
    container: { declared: { usernsMode: 'host' } },
    verdict: 'fail',
    seen: ['user:[4026531837], the one of pid 1', 'host'],
  },
  {
    name: 'remapped',
    facts: remap,
    container: { namespaces: own },
    verdict: 'pass',
    seen: ['user:[4026532300]', 'nothing asked for'],
  },
  { name: 'remapping, opted out', facts: remap, container: { declared: { usernsMode: 'host' } }, verdict: 'fail' },
  {
    name: 'remapping, not opted out, and yet in that of the node',
    facts: remap,
    verdict: 'fail',
    seen: ['user:[4026531837], the one of pid 1', 'name=userns', 'nothing asked for'],
  },
  { name: 'remapping, not readable', facts: remap, container: { namespaces: hidden }, verdict: 'unknown' },
  { name: 'the daemon does not answer', facts: silent, verdict: 'unknown', reason: /no answer within 5 s/ },
  {
    name: 'the daemon does not answer, but the kernel does',
    facts: silent,
    container: { namespaces: own },
    verdict: 'pass',
  },
  {
    name: 'the first process is in one of its own, another one is in that of the node',
    container: { namespaces: own, otherContexts: [otherContext({})] },
    verdict: 'fail',
    seen: ['user:[4026531837], the one of pid 1', 'user:[4026532300]', 'nothing asked for'],
  },
  {
    name: 'no remapping, and all processes are in one that they made',
    container: { namespaces: own },
    verdict: 'notApplicable',
  },
]);
