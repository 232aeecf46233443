import { chmodSync, chownSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { observeAll } from '../../../../agent/inspector/observe.ts';
import { createDockerRuntime } from '../../../../agent/runtime/docker/docker-runtime.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { Finding } from '../../../../posture/finding.ts';
import { judgeAll } from '../../../../posture/judge.ts';
import type { Host } from '../../../../agent/host/host.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { TreeHost } from '../../../fixture/inspector/tree.ts';
import { UNREAD_FILES } from '../../../fixture/unread-files.ts';
import { DEBIAN_FAMILY } from './debian.ts';
import { OTHERS } from './others.ts';
import type { DistributionLayout } from './parts.ts';
import { RED_HAT_FAMILY } from './red-hat.ts';

/*
 * All checks judge a whole node of each distribution. The files are those that its documents describe, the settings
 * those that its hardening guides advise, so nothing may fail but what is named here.
 */

const skip = process.getuid?.() === 0 ? false : 'files of other groups are made, which needs root';

/** Before the processes of these nodes were started. */
const INSTALLED = Date.UTC(2026, 9, 1) / 1000;

/** On every one of these nodes, with why. */
const FAILS_EVERYWHERE: readonly string[] = [
  // Every distribution names the image of sandboxes by a tag.
  'containerd.sandbox-image',
  // Nobody can set it where modules are loaded on demand: it is for information.
  'kernel.modules-disabled',
  // The containerd of these nodes is a file: its API does not answer.
  'runtime.unobserved',
];

/** What every node with an SSH server must be able to show. */
const SSH_PASSES: readonly string[] = [
  'ssh.allow-list',
  'ssh.authorized-keys-files',
  'ssh.configuration-loads',
  'ssh.forwarding',
  'ssh.host-key-strength',
  'ssh.key-required',
  'ssh.password-authentication',
  'ssh.root-login',
  'ssh.weak-algorithms',
];

/**
 * No file says which audit rules the kernel has loaded, nor which fixes a distribution has added to a release: its
 * security tracker does.
 */
const UNDECIDED = /^audit\.|\.known-vulnerabilities$/;

t.jobs = 4;
for (const layout of [...DEBIAN_FAMILY, ...RED_HAT_FAMILY, ...OTHERS])
  void t.test(layout.name, { skip, buffered: true }, async (t) => {
    const host = nodeOf(t, layout);
    const looks: string[] = [];
    const findings = await judge(t, recording(host, looks));
    t.ok(looks.includes('/etc/containerd/config.toml') || layout.isAppliance === true);
    t.same(
      looks.filter((path) => UNREAD_FILES.test(path)),
      [],
      'neither password hashes nor the files of sudo, PAM and cron are looked at',
    );
    const failed = idsOf(findings, 'fail');
    t.same(failed, [...FAILS_EVERYWHERE, ...(layout.fails ?? [])].sort(), 'nothing else fails');
    t.same(
      findings.filter(({ verdict, check }) => verdict === 'unknown' && !UNDECIDED.test(check)),
      [],
      'everything could be read',
    );
    const passed = new Set(idsOf(findings, 'pass'));
    const expected = layout.isAppliance === true ? ['kernel.mandatory-access-control'] : SSH_PASSES;
    t.same(
      expected.filter((id) => !passed.has(id)),
      [],
      'what must be seen is seen',
    );
    // Each look takes half a second, mostly of waiting for what may change.
    await Promise.all(
      layout.changes.map(async ({ files, fails }) => {
        const node = nodeOf(t, layout);
        node.replace(files);
        const found = idsOf(await judge(t, node), 'fail');
        t.same(found, [...failed, ...fails].sort(), `${fails.join()} after ${Object.keys(files).join()}`);
      }),
    );
  });

function nodeOf(t: Test, { tree, modes = {} }: DistributionLayout): TreeHost {
  const host = treeHost(t, tree);
  for (const [path, content] of Object.entries(tree))
    if (!/^\/(?:proc|sys)\//.test(path) && !(typeof content === 'string' && content.startsWith('-> ')))
      utimesSync(join(host.root, path), INSTALLED, INSTALLED);
  for (const [path, [mode, gid = 0]] of Object.entries(modes)) {
    chownSync(join(host.root, path), 0, gid);
    chmodSync(join(host.root, path), mode);
  }
  return host;
}

async function judge(t: Test, host: Host): Promise<readonly Finding[]> {
  const runtime = createDockerRuntime({ endpoint: 'unix:///nonexistent/docker.sock' });
  const access = { ...(await accessTo(t, host)), runtime, now: () => Date.UTC(2026, 10, 1) };
  return [...judgeAll(CHECKS, await observeAll(access)).values()];
}

/** The host with the path of each look written down. */
function recording(host: Host, looks: string[]): Host {
  const noted =
    <A extends readonly unknown[], R>(call: (path: string, ...more: A) => R) =>
    (path: string, ...more: A): R => {
      looks.push(path);
      return call(path, ...more);
    };
  return {
    readFile: noted(host.readFile),
    list: noted(host.list),
    stat: noted(host.stat),
    fileSystem: noted(host.fileSystem),
    readLink: noted(host.readLink),
    readMany: (requests, previous) => {
      looks.push(...requests.map(({ path }) => path));
      return host.readMany(requests, previous);
    },
    watch: (paths, onChange) => {
      looks.push(...paths);
      return host.watch(paths, onChange);
    },
  };
}

function idsOf(findings: readonly Finding[], verdict: Finding['verdict']): readonly string[] {
  return [...new Set(findings.filter((each) => each.verdict === verdict).map(({ check }) => check))].sort();
}
