import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import {
  infoSchema,
  networkSchema,
  parseInterContainer,
  toDockerApi,
  versionSchema,
} from '../../../../agent/runtime/docker/engine.ts';
import { parseDaemonFlags } from '../../../../agent/inspector/docker/daemon-flags.ts';
import { findBenchmark } from '../../../../posture/benchmark/benchmark.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { DockerFact } from '../../../../posture/fact/docker.ts';
import type { FileFact, FileRole } from '../../../../posture/fact/file.ts';
import { judgeAll } from '../../../../posture/judge.ts';
import { absent, seen } from '../../../../posture/observed.ts';
import type { Schema } from '../../../../posture/schema.ts';
import type { Verdict } from '../../../../posture/verdict.ts';
import { factsOf } from '../../../fixture/facts.ts';

/**
 * A recorded node (Docker 26.1.5 on Debian 13) and what docker-bench-security 1.6.0 said about it. Sections 2 and 3:
 * where it is right, we say the same; where we do not, or where it says nothing, the reason is here.
 */
const recorded = new URL('../../../../../shared/peers/', import.meta.url);
const skip = existsSync(recorded) ? false : 'no recorded node beside the project';

/** Where docker-bench says PASS or WARN and we say something else. */
const DIFFERENT: Readonly<Record<string, readonly [verdict: Verdict, why: string]>> = {
  '2.11': ['notApplicable', 'a base device exists with devicemapper only, and this node has overlay2'],
};

/** Where docker-bench only prints a line (INFO), and what we answer. */
const LEFT_OPEN: Readonly<Record<string, readonly [verdict: Verdict, why: string]>> = {
  '2.1': ['manual', 'it always prints a note; a rootful daemon is for a person to weigh'],
  '2.7': ['notApplicable', 'no TCP port is open'],
  '2.8': ['manual', 'not set, and the limits of the containers are not recorded'],
  '2.17': ['pass', 'it looks for profile=default, engines since 23 say profile=builtin'],
  '2.18': ['pass', 'it skips the control on every engine after 19.03'],
  '3.7': ['notApplicable', 'no file'],
  '3.8': ['notApplicable', 'no file'],
  '3.9': ['notApplicable', 'no TLS'],
  '3.10': ['notApplicable', 'no TLS'],
  '3.11': ['notApplicable', 'no TLS'],
  '3.12': ['notApplicable', 'no TLS'],
  '3.13': ['notApplicable', 'no TLS'],
  '3.14': ['notApplicable', 'no TLS'],
  '3.17': ['notApplicable', 'no file'],
  '3.18': ['notApplicable', 'no file'],
  '3.21': ['notApplicable', 'no file'],
  '3.22': ['notApplicable', 'no file'],
};

/** Judged by docker-bench on files that the recording does not hold. */
const NOT_RECORDED: ReadonlySet<string> = new Set(['3.1', '3.2', '3.3', '3.4']);

void t.test('docker-bench-security on the same node', { skip }, (t) => {
  const findings = [
    ...judgeAll(
      CHECKS,
      factsOf({ docker: recordedDocker(), files: recordedFiles(), containers: seen([], 'GET /containers/json') }),
    ).values(),
  ];
  const controls = findBenchmark('cis-docker-1.6.0')?.controls ?? [];
  let agreed = 0;
  for (const [control, theirs] of theirResults()) {
    if (NOT_RECORDED.has(control)) continue;
    const checks = controls.find(({ id }) => id === control)?.checks ?? [];
    const ours = [...new Set(findings.filter(({ check }) => checks.includes(check)).map(({ verdict }) => verdict))];
    const [verdict, why] = DIFFERENT[control] ?? LEFT_OPEN[control] ?? [theirs === 'PASS' ? 'pass' : 'fail', 'agreed'];
    t.strictSame(ours, [verdict], `${control}: ${theirs}, ours ${verdict} (${why})`);
    t.equal(theirs === 'INFO', control in LEFT_OPEN, `${control}: docker-bench says ${theirs}`);
    if (why === 'agreed') agreed += 1;
  }
  t.equal(agreed, 20, 'controls with the same answer');
  t.end();
});

function read(name: string): string {
  return readFileSync(new URL(`docker-bench-10.inputs/${name}`, recorded), 'utf8');
}

function parsed<T>(schema: Schema<T>, value: unknown): T {
  const result = schema.parse(value);
  if (!result.ok) throw new Error(result.problem);
  return result.value;
}

/** Control and answer of sections 2 and 3. */
function theirResults(): readonly (readonly [control: string, result: string])[] {
  const report = JSON.parse(readFileSync(new URL('docker-bench-10.json', recorded), 'utf8')) as {
    readonly tests: readonly { id: string; results: readonly { id: string; result: string }[] }[];
  };
  return report.tests
    .filter(({ id }) => id === '2' || id === '3')
    .flatMap(({ results }) => results.map(({ id, result }) => [id, result] as const));
}

function recordedDocker(): DockerFact {
  const { Server: server } = JSON.parse(read('version.json')) as { readonly Server: unknown };
  const networks = JSON.parse(read('networks.json')) as readonly { readonly Name: string }[];
  const bridge = networks.find(({ Name }) => Name === 'bridge');
  const api = toDockerApi(parsed(infoSchema, JSON.parse(read('info.json'))), parsed(versionSchema, server));
  const flags = parseDaemonFlags(read('dockerd.cmdline').trim().split(' ').slice(1));
  return {
    present: seen(true, 'unix:///var/run/docker.sock'),
    runtime: 'docker',
    endpoint: 'unix:///var/run/docker.sock',
    api: seen(api, 'GET /info'),
    process: seen(
      { pid: 812, uid: 0, startedAtMs: 0, executable: '/usr/sbin/dockerd', flags, environment: {} },
      '/proc/812',
    ),
    file: absent('/etc/docker/daemon.json'),
    bridgeInterContainer: seen(parseInterContainer(parsed(networkSchema, bridge)), 'GET /networks/bridge'),
    // No container of the recording publishes a port.
    seccompFile: absent('GET /info SecurityOptions'),
    userlandProxies: seen(0, '/proc'),
    package: absent('/var/lib/dpkg/status'),
    storage: [],
    socketAccess: absent('/var/run/docker.sock'),
    images: absent('GET /images/json'),
    swarm: absent('GET /info Swarm'),
    swarmPorts: absent('GET /info Swarm'),
    contentTrust: seen([], '/etc/environment'),
  };
}

/** `stat.txt`: path, `owner:group` and octal mode in each line. */
function recordedFiles(): readonly FileFact[] {
  const roles: Readonly<Record<string, FileRole>> = {
    '/etc/docker': 'dockerConfigDirectory',
    '/var/run/docker.sock': 'dockerSocket',
    '/run/containerd/containerd.sock': 'containerdSocket',
    '/etc/default/docker': 'defaultDocker',
  };
  const gids = new Map(
    read('group.txt')
      .split('\n')
      .map((line) => [line.split(':')[0], Number(line.split(':')[2])]),
  );
  return read('stat.txt')
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [path = '', names = '', mode = ''] = line.split(' ');
      const [owner = '', group = ''] = names.split(':');
      const role = roles[path];
      if (role === undefined || owner !== 'root') return [];
      const gid = group === 'root' ? 0 : (gids.get(group) ?? -1);
      const stat = {
        realPath: path,
        kind: 'other' as const,
        uid: 0,
        gid,
        mode: Number.parseInt(mode, 8),
        owner,
        group,
      };
      return [{ role, path, stat: seen(stat, `stat ${path}`), expectedGroup: 'docker', expectedMode: null }];
    });
}
