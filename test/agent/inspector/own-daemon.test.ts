import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { observeAll } from '../../../agent/inspector/observe.ts';
import { TEST_IMAGE, testDocker } from '../../component/docker.ts';
import { noDockerd, startDockerd } from '../runtime/docker/own-dockerd.ts';
import { liveNode, statusWord, told } from './live-node.ts';
import { freePort } from '../../fixture/free-port.ts';

const found = testDocker();
const skip = noDockerd || ('reason' in found && found.reason);

t.test('a daemon whose own profile is unconfined, with a TCP port', { skip }, async (t) => {
  if ('reason' in found) return;
  const port = await freePort();
  const config = (directory: string): string => join(directory, 'daemon.json');
  const daemon = await startDockerd((directory) => {
    writeFileSync(config(directory), '{"live-restore": true, "http-proxy": "http://user:hunter2@proxy:3128"}');
    return [
      '--config-file',
      config(directory),
      '--seccomp-profile=unconfined',
      '-H',
      `tcp://127.0.0.1:${String(port)}`,
      '--https-proxy=http://user:hunter2@proxy:3128',
    ];
  });
  t.teardown(() => daemon.stop());
  const docker = (...args: readonly string[]): string => told('docker', '-H', daemon.endpoint, ...args);
  told('sh', '-c', `docker -H ${found.docker.endpoint} save ${TEST_IMAGE} | docker -H ${daemon.endpoint} load`);
  const id = docker('run', '-d', '--network', 'none', TEST_IMAGE, '/bin/sleep', '3600');
  t.teardown(() => docker('rm', '-f', id));
  const pid = Number(docker('inspect', '-f', '{{.State.Pid}}', id));

  const facts = await observeAll(liveNode(daemon.endpoint));
  t.match(facts.containers, {
    state: 'seen',
    value: [
      {
        id,
        declared: { seccompProfile: 'default', privileged: false },
        seccomp: { value: { mode: 'disabled', weakest: `/proc/${String(pid)}/status` } },
      },
    ],
  });
  t.equal(statusWord(pid, 'Seccomp'), '0', 'as the kernel says to grep');
  t.match(facts.docker, {
    present: { state: 'seen' },
    process: {
      state: 'seen',
      value: {
        pid: daemon.pid,
        flags: {
          'seccomp-profile': ['unconfined'],
          host: [daemon.endpoint, `tcp://127.0.0.1:${String(port)}`],
          bridge: ['none'],
        },
      },
    },
    api: { value: { securityOptions: [{ name: 'seccomp', options: { profile: 'unconfined' } }], liveRestore: true } },
    file: { state: 'seen', value: { path: config(daemon.directory), keys: { 'live-restore': true } } },
    bridgeInterContainer: { state: 'absent' },
  });
  t.notMatch(JSON.stringify(facts.docker), /hunter2/, 'no credential goes further');
  t.match(facts.listeners, {
    state: 'seen',
    value: [
      {
        id: `tcp:127.0.0.1:${String(port)}`,
        loopback: true,
        pid: daemon.pid,
        probe: { state: 'seen', value: { protocol: 'http', answer: 'HTTP 200 from /_ping', certificate: null } },
      },
    ],
  });
});
