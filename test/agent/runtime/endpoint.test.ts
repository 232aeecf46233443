import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { chooseEndpoint } from '../../../agent/runtime/endpoint.ts';
import { noDockerd, startDockerd } from './own-dockerd.ts';
import type { Test } from 'tap';
import type { Host } from '../../../agent/host/host.ts';

interface FakeProcess {
  readonly comm?: string;
  readonly cmdline: readonly string[];
  /** Number of its mount namespace; that of the node is 1. */
  readonly mnt?: number;
}

/** A node of files: processes by pid, and daemon.json where it has one. */
function node(t: Test, processes: Readonly<Record<string, FakeProcess>>, daemonJson?: string): Host {
  const root = t.testdir({ proc: {}, etc: { docker: daemonJson === undefined ? {} : { 'daemon.json': daemonJson } } });
  const all: Readonly<Record<string, FakeProcess>> = { '1': { comm: 'init', cmdline: [] }, ...processes };
  for (const [pid, { comm = 'dockerd', cmdline, mnt = 1 }] of Object.entries(all)) {
    const directory = join(root, 'proc', pid);
    mkdirSync(join(directory, 'ns'), { recursive: true });
    writeFileSync(join(directory, 'comm'), `${comm}\n`);
    writeFileSync(join(directory, 'cmdline'), cmdline.map((word) => `${word}\0`).join(''));
    symlinkSync(`mnt:[${String(mnt)}]`, join(directory, 'ns/mnt'));
  }
  return createLinuxHost({ root });
}

const choose = (host: Host, configured = '', dockerHost = ''): Promise<string> =>
  chooseEndpoint({ configured, dockerHost, host });

void t.test('what is said goes first', async (t) => {
  const host = node(t, { '5': { cmdline: ['dockerd', '-H', 'unix:///run/five.sock'] } });
  t.equal(await choose(host, 'unix:///a.sock', 'unix:///b.sock'), 'unix:///a.sock');
  t.equal(await choose(host, '/a.sock'), 'unix:///a.sock', 'a bare path');
  t.equal(await choose(host, '', 'unix:///b.sock'), 'unix:///b.sock');
  t.equal(await choose(host, '', 'tcp://10.0.0.1:2375'), 'unix:///run/five.sock', 'another machine is not this node');
  t.equal(await choose(host), 'unix:///run/five.sock');
});

void t.test('ways in which dockerd is told', async (t) => {
  const usual = 'unix:///var/run/docker.sock';
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['-H', 'unix:///x.sock'], 'unix:///x.sock'],
    [['-Hunix:///x.sock'], 'unix:///x.sock'],
    [['-H=unix:///x.sock'], 'unix:///x.sock'],
    [['--host', 'unix:///x.sock'], 'unix:///x.sock'],
    [['--host=unix:///x.sock'], 'unix:///x.sock'],
    [['-H', 'tcp://0.0.0.0:2375', '-H', 'unix:///x.sock'], 'unix:///x.sock'],
    [['-H', 'fd://', '--containerd=/run/containerd/containerd.sock'], usual],
    [['-H', 'unix://'], usual],
    [['-H', 'tcp://0.0.0.0:2375'], usual],
    [['-H'], usual],
    [[], usual],
  ];
  for (const [index, [flags, expected]] of cases.entries()) {
    await t.test(flags.join(' ') || 'no flag', async (t) => {
      t.equal(await choose(node(t, { [String(index + 2)]: { cmdline: ['/usr/bin/dockerd', ...flags] } })), expected);
    });
  }
});

void t.test('hosts of the configuration file', async (t) => {
  const plain = { '9': { cmdline: ['dockerd'] } };
  await t.test('are used', async (t) => {
    t.equal(await choose(node(t, plain, '{"hosts":["unix:///j.sock"]}')), 'unix:///j.sock');
  });
  for (const broken of ['{', '[]', 'null', '{"hosts":7}', '{"hosts":[7]}']) {
    await t.test(`say nothing in ${broken}`, async (t) => {
      t.equal(await choose(node(t, plain, broken)), 'unix:///var/run/docker.sock');
    });
  }
});

void t.test('which of several', async (t) => {
  await t.test('the one at the usual place', async (t) => {
    const host = node(t, {
      '10': { cmdline: ['dockerd', '-H', 'unix:///tmp/build.sock'] },
      '11': { cmdline: ['dockerd', '-H', 'unix:///run/docker.sock'] },
    });
    t.equal(await choose(host), 'unix:///var/run/docker.sock');
  });
  await t.test('otherwise the first', async (t) => {
    const host = node(t, {
      '10': { cmdline: ['dockerd', '-H', 'unix:///tmp/ten.sock'] },
      '9': { cmdline: ['dockerd', '-H', 'unix:///tmp/nine.sock'] },
    });
    t.equal(await choose(host), 'unix:///tmp/nine.sock');
  });
  await t.test('a process of a container that calls itself dockerd is none', async (t) => {
    const host = node(t, { '10': { cmdline: ['dockerd', '-H', 'unix:///tmp/trap.sock'], mnt: 2 } });
    t.equal(await choose(host), 'unix:///var/run/docker.sock');
  });
  await t.test('none at all', async (t) => {
    t.equal(await choose(createLinuxHost({ root: t.testdir({}) })), 'unix:///var/run/docker.sock');
  });
});

void t.test('a real dockerd is found', { skip: noDockerd }, async (t) => {
  const dockerd = await startDockerd();
  t.teardown(() => dockerd.stop());
  const endpoint = await choose(createLinuxHost());
  // Another one may run on this machine at the usual place.
  t.ok([dockerd.endpoint, 'unix:///var/run/docker.sock'].includes(endpoint) || endpoint.startsWith('unix:///'));
});
