import t from 'tap';
import { hostNetwork } from '../../../../posture/check/container/host-network.ts';
import { absent, unreadable } from '../../../../posture/observed.ts';
import { namespaceOf, otherContext } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const own = namespaceOf('net', 4026532999, false);
const node = namespaceOf('net', 4026531833, true);
const hidden = unreadable('/proc/4121/ns/net', 'permission denied (EACCES)');

judgeContainers(t, hostNetwork, [
  {
    name: 'its own',
    container: { namespaces: { net: own }, declared: { networkMode: 'private' } },
    verdict: 'pass',
    seen: ['net:[4026532999]', 'private'],
  },
  {
    name: 'asked for',
    container: { namespaces: { net: node }, declared: { networkMode: 'host' } },
    verdict: 'fail',
    seen: ['net:[4026531833], the one of pid 1', 'host'],
  },
  {
    name: 'through another container that has it',
    container: { namespaces: { net: node }, declared: { networkMode: 'container:25a3780f7fb6' } },
    verdict: 'fail',
    seen: ['net:[4026531833], the one of pid 1', 'container:25a3780f7fb6'],
  },
  {
    name: 'that of another container',
    container: { namespaces: { net: own }, declared: { networkMode: 'container:25a3780f7fb6' } },
    verdict: 'pass',
  },
  {
    name: 'nothing asked for, but the kernel says so',
    container: { namespaces: { net: node }, declared: { networkMode: '' } },
    verdict: 'fail',
    seen: ['net:[4026531833], the one of pid 1', 'nothing asked for'],
  },
  {
    name: 'not readable, but asked for',
    container: { namespaces: { net: hidden }, declared: { networkMode: 'host' } },
    verdict: 'fail',
    seen: ['host'],
  },
  {
    name: 'not readable',
    container: { namespaces: { net: hidden }, declared: { networkMode: 'private' } },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'a kernel without them',
    container: { namespaces: { net: absent('/proc/4121/ns/net') }, declared: { networkMode: '' } },
    verdict: 'notApplicable',
    reason: /has no net namespaces/,
  },
  {
    name: 'another process than the first went into it',
    container: { otherContexts: [otherContext({ namespaces: { net: namespaceOf('net', 4026531833, true) } })] },
    verdict: 'fail',
    seen: ['net:[4026531833], the one of pid 1', 'bridge'],
  },
  {
    name: 'of another process it is not known',
    container: {
      otherContexts: [otherContext({ namespaces: { net: unreadable('/proc/4150/ns/net', 'permission denied') } })],
    },
    verdict: 'unknown',
    reason: /4150/,
  },
  {
    name: 'not every thread was read',
    container: { complete: false, incompleteReason: 'processes change faster than they can be read' },
    verdict: 'unknown',
    reason: /faster/,
  },
]);
