import t from 'tap';
import { capabilities } from '../../../../posture/check/container/capabilities.ts';
import type { Capabilities } from '../../../../posture/fact/container.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { namespaceOf, otherContext } from '../../../fixture/container.ts';
import { dockerApi, dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const NONE = '0000000000000000';
const DEFAULT = '00000000a80425fb';
const status = '/proc/4121/status';
const sets = (changes: Partial<Capabilities>) =>
  seen(
    { effective: DEFAULT, permitted: DEFAULT, inheritable: NONE, bounding: DEFAULT, ambient: NONE, ...changes },
    status,
  );
const own = namespaceOf('user', 4026532300, false);
const remap = { docker: dockerFact({ api: dockerApi({ securityOptions: [{ name: 'userns', options: {} }] }) }) };
const all = (word: string) => sets({ effective: word, permitted: word, bounding: word });

judgeContainers(t, capabilities, [
  {
    name: 'the default set',
    verdict: 'pass',
    seen: ['CapBnd 00000000a80425fb', 'nothing added beyond the defaults'],
  },
  {
    name: 'fewer',
    container: { declared: { capDrop: ['ALL'] }, capabilities: all(NONE) },
    verdict: 'pass',
  },
  {
    // CAP_NET_ADMIN is bit 12: a80425fb + 1000.
    name: 'NET_ADMIN in a network of its own',
    container: { declared: { capAdd: ['NET_ADMIN'] }, capabilities: all('00000000a80435fb') },
    verdict: 'fail',
    severity: 'high',
    seen: ['CapEff, CapPrm, CapBnd 00000000a80435fb: NET_ADMIN', 'added NET_ADMIN'],
    reason: /^processes of the container hold or can obtain NET_ADMIN$/,
  },
  {
    name: 'NET_ADMIN in the network of the node',
    container: { capabilities: all('00000000a80435fb'), namespaces: { net: namespaceOf('net', 4026531833, true) } },
    verdict: 'fail',
    severity: 'critical',
  },
  {
    // CAP_SYS_ADMIN is bit 21: a80425fb + 200000.
    name: 'SYS_ADMIN',
    container: { declared: { capAdd: ['SYS_ADMIN'] }, capabilities: all('00000000a82425fb') },
    verdict: 'fail',
    severity: 'critical',
    seen: ['CapEff, CapPrm, CapBnd 00000000a82425fb: SYS_ADMIN', 'added SYS_ADMIN'],
  },
  {
    name: 'SYS_ADMIN in the bounding set only, which a setuid program still gives',
    container: {
      declared: { capAdd: ['SYS_ADMIN'] },
      capabilities: sets({ effective: NONE, permitted: NONE, bounding: '00000000a82425fb' }),
    },
    verdict: 'fail',
    severity: 'critical',
  },
  {
    name: 'SYS_ADMIN in the bounding set only, and nothing can be gained by execve',
    container: {
      declared: { capAdd: ['SYS_ADMIN'] },
      noNewPrivs: seen(true, status),
      capabilities: sets({ effective: NONE, permitted: NONE, bounding: '00000000a82425fb' }),
    },
    verdict: 'fail',
    severity: 'low',
  },
  {
    name: 'SYS_ADMIN in use, although nothing can be gained',
    container: { noNewPrivs: seen(true, status), capabilities: all('00000000a82425fb') },
    verdict: 'fail',
    severity: 'critical',
  },
  {
    name: 'SYS_ADMIN over the user namespace that the engine made',
    facts: remap,
    container: { capabilities: all('00000000a82425fb'), namespaces: { user: own } },
    verdict: 'fail',
    severity: 'high',
  },
  {
    // CAP_SYS_NICE is bit 23.
    name: 'SYS_NICE is mild',
    container: { capabilities: all('00000000a88425fb') },
    verdict: 'fail',
    severity: 'medium',
  },
  {
    name: 'docker exec --privileged in a default container: one thread has them, the declaration has not',
    container: { capabilities: all('000001fffeffffff') },
    verdict: 'fail',
    severity: 'critical',
    seen: [
      'CapEff, CapPrm, CapBnd 000001fffeffffff: DAC_READ_SEARCH, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, BPF, LINUX_IMMUTABLE, NET_ADMIN and 18 more',
      'nothing added beyond the defaults',
    ],
  },
  {
    name: 'beyond the default in the bounding set only',
    container: { capabilities: sets({ effective: NONE, permitted: NONE, bounding: '00000000a82425fb' }) },
    verdict: 'fail',
    severity: 'critical',
    seen: ['CapBnd 00000000a82425fb: SYS_ADMIN', 'nothing added beyond the defaults'],
  },
  {
    name: 'asked for, but held by no process: CAP_ prefix and case do not matter',
    container: { declared: { capAdd: ['CAP_sys_time'] } },
    verdict: 'fail',
    severity: 'low',
    seen: ['CapBnd 00000000a80425fb', 'added SYS_TIME'],
  },
  { name: 'a default asked for', container: { declared: { capAdd: ['NET_RAW'] } }, verdict: 'pass' },
  {
    name: 'not readable, but everything was asked for',
    container: { declared: { capAdd: ['ALL'] }, capabilities: unreadable(status, 'permission denied (EACCES)') },
    verdict: 'fail',
    severity: 'critical',
    seen: ['added ALL'],
  },
  {
    name: 'not readable',
    container: { capabilities: unreadable(status, 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  { name: 'gone', container: { capabilities: absent(status) }, verdict: 'unknown', reason: /ended/ },
  { name: 'no hexadecimal word', container: { capabilities: all('cap_sys_admin') }, verdict: 'unknown' },
  { name: 'not every thread was read', container: { complete: false }, verdict: 'unknown' },
  {
    name: 'all of them in a user namespace that the processes made for themselves',
    container: { capabilities: all('000001ffffffffff'), namespaces: { user: own } },
    verdict: 'fail',
    severity: 'low',
  },
  {
    name: 'a browser: a child with all of them in a user namespace of its own',
    container: {
      otherContexts: [
        otherContext({
          nested: true,
          namespaces: { user: own },
          capabilities: {
            effective: '000001ffffffffff',
            permitted: '000001ffffffffff',
            inheritable: NONE,
            bounding: '000001ffffffffff',
            ambient: NONE,
          },
        }),
      ],
    },
    verdict: 'fail',
    severity: 'low',
  },
  {
    name: 'added and dropped is added: so does the engine',
    container: { declared: { capAdd: ['SYS_ADMIN'], capDrop: ['SYS_ADMIN'] }, capabilities: all('00000000a82425fb') },
    verdict: 'fail',
    severity: 'critical',
  },
  {
    name: 'NET_ADMIN beside a thread that went into the network of the node',
    container: {
      capabilities: all('00000000a80435fb'),
      otherContexts: [otherContext({ namespaces: { net: namespaceOf('net', 4026531833, true) } })],
    },
    verdict: 'fail',
    severity: 'critical',
  },
]);
