import t from 'tap';
import { logLevel } from '../../../../posture/check/daemon/log-level.ts';
import { remoteLogging } from '../../../../posture/check/daemon/remote-logging.ts';
import type { DockerFact } from '../../../../posture/fact/docker.ts';
import { ABSENT, AFTER, BLIND, api, docker, file, flags } from '../../../fixture/docker-rows.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

judgeNodes(t, logLevel, [
  { name: 'default', facts: docker(), verdict: 'pass' },
  { name: 'info by flag', facts: docker(flags({ 'log-level': ['info'] })), verdict: 'pass' },
  // The branch for flags of docker-bench is never reached.
  {
    name: 'debug by flag',
    facts: docker(flags({ 'log-level': ['debug'] })),
    verdict: 'fail',
    seen: ['--log-level=debug'],
    sources: ['/proc/812/cmdline'],
  },
  { name: 'error', facts: docker(file({ 'log-level': 'error' })), verdict: 'fail', seen: ['"log-level": "error"'] },
  // Reloadable, and it beats every level.
  { name: 'debug on', facts: docker(api({ debug: true })), verdict: 'fail', sources: ['GET /info Debug'] },
  { name: 'the last flag counts', facts: docker(flags({ 'log-level': ['debug', 'info'] })), verdict: 'pass' },
  {
    name: 'a file that is newer than the daemon proves nothing right',
    facts: docker(file({ 'log-level': 'info' }, AFTER)),
    verdict: 'unknown',
    reason: /pending restart/,
  },
  ABSENT,
  BLIND,
]);

const driver = (loggingDriver: string): Pick<DockerFact, 'api'> => api({ loggingDriver });
const address = (value: string): Pick<DockerFact, 'file'> => file({ 'log-opts': { 'syslog-address': value } });
judgeNodes(t, remoteLogging, [
  { name: 'json-file', facts: docker(), verdict: 'fail', seen: ['json-file'] },
  { name: 'local', facts: docker(driver('local')), verdict: 'fail' },
  { name: 'none', facts: docker(driver('none')), verdict: 'fail' },
  { name: 'fluentd goes to this node where nobody says anything', facts: docker(driver('fluentd')), verdict: 'manual' },
  ...[
    'localhost:24224',
    '127.0.0.1:24224',
    'tcp://127.1.2.3:24224',
    '[::1]:24224',
    'unix:///run/fluentd.sock',
    '',
    ':24224',
    'LOCALHOST.:1',
    '0.0.0.0:1',
    '::ffff:127.0.0.1',
  ].map((address) => ({
    name: `fluentd at ${address}`,
    facts: docker(driver('fluentd'), file({ 'log-opts': { 'fluentd-address': address } })),
    verdict: 'manual' as const,
  })),
  ...['logs.example:24224', 'tcp://10.0.0.7:24224', 'tls://logs.example:24224', '[2001:db8::1]:24224'].map(
    (address) => ({
      name: `fluentd at ${address}`,
      facts: docker(driver('fluentd'), flags({ 'log-opt': [`fluentd-address=${address}`] })),
      verdict: 'pass' as const,
    }),
  ),
  {
    name: 'gelf at this node',
    facts: docker(driver('gelf'), flags({ 'log-opt': ['gelf-address=udp://localhost:12201'] })),
    verdict: 'manual',
  },
  {
    name: 'gelf elsewhere',
    facts: docker(driver('gelf'), flags({ 'log-opt': ['gelf-address=udp://10.0.0.7:12201'] })),
    verdict: 'pass',
  },
  { name: 'gelf', facts: docker(driver('gelf')), verdict: 'pass' },
  { name: 'journald is here', facts: docker(driver('journald')), verdict: 'manual', reason: /forwards/ },
  { name: 'syslog is here', facts: docker(driver('syslog')), verdict: 'manual' },
  {
    name: 'syslog elsewhere',
    facts: docker(driver('syslog'), address('tcp+tls://logs.example:6514')),
    verdict: 'pass',
  },
  { name: 'syslog by a socket', facts: docker(driver('syslog'), address('unix:///dev/log')), verdict: 'manual' },
  { name: 'syslog on loopback', facts: docker(driver('syslog'), address('udp://127.0.0.1:514')), verdict: 'manual' },
  {
    name: 'tokens of other drivers are not shown',
    facts: docker(
      driver('syslog'),
      file({ 'log-opts': { 'syslog-address': 'udp://logs:514', 'splunk-token': 'S3CRET' } }),
    ),
    verdict: 'pass',
    seen: ['syslog', 'syslog-address=udp://logs:514'],
  },
  ABSENT,
  BLIND,
]);
