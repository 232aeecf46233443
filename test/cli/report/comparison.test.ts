import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { AGREEMENTS, compareWithPeer } from '../../../cli/report/comparison.ts';
import type { Comparison } from '../../../cli/report/comparison.ts';
import { readPeerReport, toPeerReport } from '../../../cli/report/peer-report.ts';
import { findBenchmark } from '../../../posture/benchmark/benchmark.ts';
import { assessBenchmark } from '../../../posture/benchmark/compliance.ts';
import type { Finding } from '../../../posture/finding.ts';
import type { Verdict } from '../../../posture/verdict.ts';

const peers = new URL('../../../../shared/peers/', import.meta.url);
const skip = existsSync(peers) ? false : 'no reports of other tools beside the project';

function finding(check: string, verdict: Verdict, name = 'web', reason?: string): Finding {
  return {
    id: `${check}/container/${name}`,
    check,
    title: check,
    verdict,
    severity: 'high',
    subject: { kind: 'container', id: name, name },
    evidence: [{ source: '/proc/4121/status', seen: 'Seccomp: 0', expected: 'Seccomp: 2' }],
    ...(reason !== undefined && { reason }),
  };
}

const log = (results: Readonly<Record<string, string>>): unknown => ({
  dockerbenchsecurity: '1.6.0',
  tests: [{ id: '5', results: Object.entries(results).map(([id, result]) => ({ id, desc: '', result, items: [] })) }],
});

function compare(report: unknown, findings: readonly Finding[], id = 'cis-docker-1.6.0'): Comparison {
  const peer = toPeerReport(report);
  const benchmark = findBenchmark(id);
  if (peer === undefined || benchmark === undefined) throw new Error('no report');
  return compareWithPeer(assessBenchmark(benchmark, findings), peer);
}

t.test('two answers about one control, with the evidence of ours', (t) => {
  const [privileged, hostPid, hostIpc] = ['container.privileged', 'container.host-pid', 'container.host-ipc'];
  const findings = [
    finding(privileged, 'fail', 'web', 'it is privileged'),
    finding(privileged, 'fail', 'db'),
    finding(hostPid, 'pass'),
    finding(hostIpc, 'unknown', 'web', 'permission denied'),
  ];
  const { controls, counts, notInBenchmark } = compare(
    log({ '5.5': 'PASS', '5.16': 'PASS', '5.17': 'WARN', '4.5': 'WARN', '5.31': 'NOTE', '9.9': 'PASS' }),
    findings,
  );
  const rows = new Map(controls.map((row) => [row.control, row]));
  t.match(rows.get('5.5'), {
    theirs: 'PASS',
    ours: 'fail',
    agreement: 'differs',
    evidence: 'web, and 1 more: it is privileged; /proc/4121/status: Seccomp: 0 (expected Seccomp: 2)',
  });
  t.match(rows.get('5.16'), { agreement: 'same' });
  t.match(rows.get('5.17'), {
    theirs: 'WARN',
    ours: 'unknown',
    agreement: 'onlyTheirs',
    evidence: /permission denied/,
  });
  t.match(rows.get('5.31'), { theirs: 'NOTE', agreement: 'neither' });
  t.match(rows.get('5.10'), { theirs: '', ours: 'unknown', evidence: /^no finding of/ });
  t.same(notInBenchmark, ['9.9']);
  t.equal(
    AGREEMENTS.reduce((sum, name) => sum + counts[name], 0),
    117,
    'each control of the benchmark counts once',
  );
  const twice = {
    dockerbenchsecurity: '1.6.0',
    tests: [
      {
        results: [
          { id: '5.16', result: 'WARN' },
          { id: '5.16', result: 'PASS' },
        ],
      },
    ],
  };
  t.match(
    compare(twice, findings).controls.find(({ control }) => control === '5.16'),
    { theirs: 'WARN', agreement: 'differs' },
  );
  t.end();
});

t.test('the numbers of docker-bench-security are those of the CIS benchmark of its release', (t) => {
  const benchmarkOf = (version: string): string | undefined =>
    toPeerReport({ dockerbenchsecurity: version, tests: [] })?.benchmark;
  // In CIS 1.5.0 and before, the controls of section 5 have other numbers: 5.4 is the control 5.5 of 1.6.0.
  t.same(['1.6.0', '1.6.1', '1.3.5', '1.5.0'].map(benchmarkOf), [
    'cis-docker-1.6.0',
    'cis-docker-1.6.0',
    undefined,
    undefined,
  ]);
  t.end();
});

t.test('each answer has a line of evidence, whatever a finding lacks', (t) => {
  const bare: Finding = { ...finding('container.host-pid', 'pass', ''), evidence: [] };
  const { controls } = compare(log({ '5.16': 'WARN' }), [bare]);
  t.match(
    controls.find(({ control }) => control === '5.16'),
    { agreement: 'differs', evidence: 'container.host-pid' },
  );
  t.same(
    controls.filter(({ evidence }) => evidence.trim() === '' || evidence.endsWith(': ')),
    [],
  );
  t.end();
});

t.test('kube-bench: scored failures, warnings for a person, names of its benchmarks', (t) => {
  const report = (version: string, bare = false): unknown => {
    const controls = [
      {
        id: '4',
        version,
        tests: [
          {
            results: [
              { test_number: '4.2.1', status: 'FAIL' },
              { test_number: '4.2.2', status: 'WARN' },
            ],
          },
        ],
      },
    ];
    return bare ? controls : { Controls: controls };
  };
  t.match(toPeerReport(report('cis-1.10')), {
    tool: 'kube-bench (cis-1.10)',
    benchmark: 'cis-kubernetes-1.10',
    results: [
      { control: '4.2.1', verdict: 'fail' },
      { control: '4.2.2', verdict: 'open' },
    ],
  });
  t.equal(
    toPeerReport(report('cis-1.10', true))?.benchmark,
    'cis-kubernetes-1.10',
    'releases that print the list alone',
  );
  const benchmarks = ['eks-1.7.0', 'k3s-cis-1.8', 'rke2-cis-1.8', 'rh-1.8', 'cis-1.24-microk8s', 'ack-1.0'].map(
    (version) => toPeerReport(report(version))?.benchmark,
  );
  const several = toPeerReport({ Controls: ['cis-1.10', '', 'cis-1.10'].flatMap((version) => report(version, true)) });
  t.match(several, { tool: 'kube-bench (cis-1.10)', benchmark: 'cis-kubernetes-1.10' }, 'groups of one benchmark');
  t.equal(several?.results.length, 6, 'the results of all groups');
  const mixed = toPeerReport({ Controls: ['cis-1.10', 'cis-1.24'].flatMap((version) => report(version, true)) });
  t.match(mixed, { tool: 'kube-bench (cis-1.10, cis-1.24)', benchmark: undefined }, 'of two: a person chooses');
  const names = ['cis-eks-1.7.0', 'cis-k3s-1.8', 'cis-rke2-1.8', 'cis-openshift-1.8', 'cis-microk8s-1.24'];
  t.same(benchmarks, [...names, undefined]);
  t.end();
});

t.test('real reports of both tools', { skip }, async (t) => {
  const docker = await readPeerReport(new URL('docker-bench-10.json', peers).pathname);
  const text = readFileSync(new URL('docker-bench-10.json', peers), 'utf8');
  t.ok(docker.ok);
  if (docker.ok) {
    const count = (word: string): number => text.split(`"result": "${word}"`).length - 1;
    for (const word of ['PASS', 'WARN', 'INFO', 'NOTE'])
      t.equal(docker.value.results.filter((result) => result.word === word).length, count(word), word);
    const benchmark = findBenchmark(docker.value.benchmark ?? '');
    const ids = new Set(benchmark?.controls.map(({ id }) => id));
    t.same(
      docker.value.results.filter(({ control }) => !ids.has(control)),
      [],
      'each of its controls has a counterpart',
    );
  }
  t.match(await readPeerReport(new URL('kube-bench-sample.json', peers).pathname), {
    value: { benchmark: 'cis-kubernetes-1.10' },
  });
});

t.test('files that are no report', async (t) => {
  const file = join(t.testdir(), 'report.json');
  const problem = async (content: string): Promise<unknown> => {
    writeFileSync(file, content);
    const read = await readPeerReport(file);
    return read.ok ? 'accepted' : read.problem;
  };
  t.match(await problem('yes'), /is not JSON/);
  t.match(await problem('{'), /not complete JSON/);
  t.match(await problem('{"Controls": [{"id": "4", "tests": ['), /not complete JSON: the tool still runs/);
  t.match(await problem('\u001b[1;31m[WARN]\u001b[0m 1.1.2  - Ensure ...\n'), /its JSON is needed/, 'colours');
  t.match(await problem('[INFO] 4 Worker Nodes\n[FAIL] 4.1.1 Ensure ...\n'), /its JSON is needed/, 'kube-bench');
  t.match(await problem('{}'), /not a report/);
  t.match(await problem('{"dockerbenchsecurity": "1.6.0"}'), /not a report/);
  t.equal((await readPeerReport('/dev/zero')).ok, false);
  t.equal((await readPeerReport(join(t.testdir(), 'none'))).ok, false);
  fc.assert(fc.property(fc.jsonValue(), (value) => toPeerReport(value) === undefined || true));
});
