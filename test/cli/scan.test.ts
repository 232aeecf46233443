import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Finding } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import { asffIssues } from '../collector/event/asff-constraints.ts';
import { readValidator } from '../collector/event/ocsf/validator.ts';
import { LAYOUTS } from '../agent/inspector/kubelet/layouts.ts';
import { treeHost } from '../fixture/inspector/tree.ts';
import { violations } from '../fixture/json-schema.ts';
import { plimsoll, temporaryDirectory } from './process.ts';

const schema: unknown = JSON.parse(readFileSync(new URL('../../cli/schema/scan.schema.json', import.meta.url), 'utf8'));

const OCSF = new URL('../../../shared/ocsf/required.json', import.meta.url).pathname;
const PEERS = new URL('../../../shared/peers', import.meta.url).pathname;
const noOcsf = existsSync(OCSF) ? false : 'the facts of the OCSF schema are absent';

interface OcsfRecord extends Readonly<Record<string, unknown>> {
  readonly finding_info: { readonly uid: string; readonly analytic: { readonly uid: string } };
  readonly unmapped: { readonly verdict: string };
}

interface Document {
  readonly node: { readonly name: string; readonly containers: number | null };
  readonly findings: readonly (Finding & { readonly controls: readonly { readonly benchmark: string }[] })[];
  readonly summary: { readonly verdicts: Record<string, number>; readonly failures: Record<string, number> };
}

void t.test('this machine, live and recorded', async (t) => {
  const directory = join(temporaryDirectory(t), 'recorded');
  const live = await plimsoll(['scan', '--output', 'json']);
  t.equal(live.code, 0, live.stderr);
  const document = JSON.parse(live.stdout) as Document;
  t.strictSame(violations(schema, document), [], 'the document is as its schema says');
  t.ok(document.findings.length >= 45);
  t.strictSame(
    document.findings.map(
      ({ verdict, severity }) =>
        VERDICTS.indexOf(verdict) * 10 + (verdict === 'fail' ? SEVERITIES.indexOf(severity) : 0),
    ),
    document.findings
      .map(
        ({ verdict, severity }) =>
          VERDICTS.indexOf(verdict) * 10 + (verdict === 'fail' ? SEVERITIES.indexOf(severity) : 0),
      )
      .sort((one, other) => one - other),
    'worst first',
  );
  for (const verdict of VERDICTS)
    t.equal(document.summary.verdicts[verdict], document.findings.filter((one) => one.verdict === verdict).length);
  t.equal(new Set(document.findings.map(({ id }) => id)).size, document.findings.length, 'ids are unique');

  const recorded = await plimsoll(['record', directory]);
  t.equal(recorded.code, 0, recorded.stderr);
  t.match(recorded.stdout, /^recorded \d+ results \(\d+ KiB\) into .*\njudge it: plimsoll scan --recorded /);
  const again = await plimsoll(['record', directory]);
  t.equal(again.code, 2, 'a recording is never written over');
  const scan = (...args: readonly string[]) => plimsoll(['scan', '--recorded', directory, ...args]);
  const json = async (...args: readonly string[]): Promise<Document> =>
    JSON.parse((await scan('--output', 'json', ...args)).stdout) as Document;
  const whole = await json();
  t.strictSame(violations(schema, whole), []);

  const table = await scan();
  t.match(table.stdout, new RegExp(`^${document.node.name} · `));
  t.match(table.stdout, /\nWhat to do about one: plimsoll explain [a-z]+\.[a-z-]+\n$/);
  for (const line of table.stdout.split('\n')) t.ok(Array.from(line).length <= 80 || line.includes('--recorded'), line);
  t.match((await scan('--verdict', 'pass,fail')).stdout, /\nPASSED {2,}/);

  const fails = whole.findings.filter(({ verdict }) => verdict === 'fail');
  if (existsSync(PEERS)) {
    interface Comparison {
      readonly tool: string;
      readonly benchmark: string;
      readonly counts: Readonly<Record<string, number>>;
      readonly controls: readonly { readonly control: string; readonly theirs: string; readonly evidence: string }[];
    }
    const compared = await scan('--compare', join(PEERS, 'docker-bench-10.json'), '--output', 'json');
    t.equal(compared.code, 0, compared.stderr);
    const { tool, benchmark, counts, controls } = JSON.parse(compared.stdout) as Comparison;
    t.match({ tool, benchmark }, { tool: /^docker-bench-security/, benchmark: 'cis-docker-1.6.0' });
    // The benchmark has 117 controls, and the report an answer for 1.1.1.
    t.equal(controls.length, 117);
    t.equal(
      Object.values(counts).reduce((sum, count) => sum + count, 0),
      117,
    );
    t.equal(controls.find(({ control }) => control === '1.1.1')?.theirs, 'PASS');
    for (const { control, evidence } of controls) t.not(evidence, '', `${control}: a line of evidence`);
    const side = await scan('--compare', join(PEERS, 'docker-bench-10.json'));
    t.match(side.stdout, /^docker-bench-security.* and Plimsoll by cis-docker-1\.6\.0: \d+ /);
    t.match(side.stdout, /\nCONTROL +THEIRS +OURS +ANSWERS +EVIDENCE/);
  }

  const only = await json('--verdict', 'fail');
  t.strictSame(only.findings, fails);
  t.strictSame(only.summary.verdicts, whole.summary.verdicts, 'counts are over everything');
  const lines = (await scan('--output', 'ndjson', '--check', 'kernel', '--severity', 'low')).stdout
    .trimEnd()
    .split('\n');
  t.strictSame(
    lines.map((line) => (JSON.parse(line) as Finding).id),
    whole.findings
      .filter(({ check, severity }) => check.startsWith('kernel.') && severity === 'low')
      .map(({ id }) => id),
  );
  t.strictSame(
    (await json('--subject', 'dockerd')).findings.map(({ id }) => id),
    whole.findings.filter(({ subject }) => subject.name === 'dockerd').map(({ id }) => id),
  );
  const cis = await json('--benchmark', 'cis-docker-1.8.0');
  t.ok(cis.findings.length > 0);
  t.ok(cis.findings.every(({ controls }) => controls.some(({ benchmark }) => benchmark === 'cis-docker-1.8.0')));
  t.equal(cis.summary.verdicts['fail'], cis.findings.filter(({ verdict }) => verdict === 'fail').length);

  const controls = JSON.parse(
    (await scan('--benchmark', 'cis-docker-1.8', '--level', '1', '--by', 'control', '-o', 'json')).stdout,
  ) as { readonly controls: readonly { readonly level: number; readonly verdict: string }[] };
  t.ok(controls.controls.length > 50 && controls.controls.every(({ level }) => level === 1));
  t.ok(controls.controls.some(({ verdict }) => verdict === 'fail'));
  const page = join(directory, '..', 'report.html');
  const printed = await scan('--benchmark', 'cis-docker-1.8.0', '-o', 'html', '--output-file', page);
  t.match(printed.stdout, /controls pass \(\d+ %\)/, 'the table is printed');
  t.match(readFileSync(page, 'utf8'), /^<!doctype html>\n[\s\S]*<\/html>\n$/);
  const earlier = join(directory, '..', 'earlier.json');
  t.equal((await scan('-o', 'json', '--output-file', earlier)).code, 0);
  t.equal((await scan('--fail-on', 'info')).code, 1);
  const unchanged = await scan('--fail-on', 'info', '--baseline', earlier, '-o', 'json', '--verdict', 'fail');
  t.ok(
    (JSON.parse(unchanged.stdout) as { findings: { inBaseline?: boolean }[] }).findings.every((one) => one.inBaseline),
  );
  t.strictSame(violations(schema, JSON.parse(unchanged.stdout)), []);
  t.not(unchanged.code, 1, 'nothing is new');
  await t.test('events of OCSF', { skip: noOcsf }, async (t) => {
    const validate = readValidator(OCSF);
    const events = (await scan('-o', 'ocsf')).stdout.trimEnd().split('\n');
    const parsed = events.map((line) => JSON.parse(line) as OcsfRecord);
    t.same(parsed.flatMap(validate), []);
    t.same(
      parsed.map(({ finding_info: { analytic }, unmapped }) => [analytic.uid, unmapped.verdict]),
      whole.findings.map(({ check, verdict }) => [check, verdict]),
    );
    const uids = ({ stdout }: { readonly stdout: string }) =>
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as OcsfRecord).finding_info.uid);
    t.same(
      uids(await scan('-o', 'ocsf', '--check', 'ssh')),
      parsed
        .filter(({ finding_info: { analytic } }) => analytic.uid.startsWith('ssh.'))
        .map(({ finding_info: { uid } }) => uid),
      'the next scan names the same findings',
    );
  });
  await t.test('findings of Security Hub', async (t) => {
    const account = ['--aws-account', '111122223333', '--aws-region', 'eu-central-1'];
    const { stdout } = await scan('-o', 'asff', ...account);
    const findings = JSON.parse(stdout) as readonly Readonly<Record<string, unknown>>[];
    t.same(findings.flatMap(asffIssues), []);
    t.same(
      findings.map(({ GeneratorId }) => GeneratorId),
      whole.findings.map(({ check }) => `plimsoll/${check}`),
    );
    t.equal(new Set(findings.map(({ Id }) => Id)).size, findings.length);
    t.match(await scan('-o', 'asff'), { code: 2, stderr: /--aws-account/ });
    t.match(await scan('-o', 'asff', '--aws-account', '1', '--aws-region', 'eu-central-1'), { code: 2 });
  });
  t.equal((await scan('--baseline', join(directory, 'none'))).code, 2);
  t.equal((await scan('--by', 'control')).code, 2);

  const worst = fails[0]?.severity ?? 'info';
  t.equal((await scan('--fail-on', worst)).code, fails.length > 0 ? 1 : 0, 'at the threshold');
  const worse = SEVERITIES[SEVERITIES.indexOf(worst) - 1];
  if (worse !== undefined) t.equal((await scan('--fail-on', worse)).code, 0, 'below it');
  const passing = whole.findings.find(
    ({ check, verdict }) => verdict === 'pass' && !fails.some((failure) => failure.check === check),
  );
  if (passing !== undefined) t.equal((await scan('--fail-on', 'info', '--check', passing.check)).code, 0);
});

void t.test('the benchmark of Kubernetes that fits the node, and why', async (t) => {
  const { root } = treeHost(t, { '/proc/712/net/tcp': '', ...LAYOUTS[0]?.tree });
  const scan = (...args: readonly string[]) =>
    plimsoll(['scan', '--host-root', root, '--benchmark', 'cis-kubernetes', ...args]);
  const controls = await scan('--by', 'control');
  t.match(controls.stdout, /^CONTROL .*\n4\.1\.1 /);
  t.match(controls.stdout, /\n\n.*Kubernetes.* 1\.12.*: \d+ of \d+ controls pass/);
  t.match(controls.stdout, /\ncis-kubernetes-1\.12, because of kubelet 1\.33\.2 of kubeadm\n$/);
  t.match((await scan()).stdout, /Kubernetes: cis-kubernetes-1\.12, because of kubelet 1\.33\.2 of kubeadm/);
});

void t.test('what cannot be read at all is an error that says what to do', async (t) => {
  const absent = await plimsoll(['scan', '--recorded', '/nonexistent']);
  t.equal(absent.code, 2);
  t.match(absent.stderr, /^plimsoll: \/nonexistent: .*\n {2}a recording is a directory that plimsoll record wrote\n$/);
  const root = await plimsoll(['scan', '--host-root', '/nonexistent']);
  t.equal(root.code, 2);
  t.match(root.stderr, /the node cannot be read: .*\n {2}see: --host-root/);
});

void t.test('a container of an engine that does not answer may exist', async (t) => {
  const engine = 'unix:///nonexistent/docker.sock';
  const { code, stdout, stderr } = await plimsoll(['scan', '--docker-host', engine, '--container', 'web']);
  t.match({ code, stdout }, { code: 2, stdout: '' });
  t.match(stderr, `nothing was found about "web", but the containers could not be listed (${engine}: `);
  t.notMatch(stderr, 'has the name');
});

void t.test('a check of containers says how one that does not run is judged', async (t) => {
  const { stdout } = await plimsoll(['explain', 'container.default-bridge']);
  t.match(stdout.replaceAll(/\s+/g, ' '), 'one level milder unless it is restarting');
  t.notMatch((await plimsoll(['explain', 'kernel.lockdown'])).stdout, 'milder');
});

void t.test('the schema refuses what it should', (t) => {
  const good = {
    schema: 'plimsoll/scan/v1',
    node: {},
    findings: [],
    summary: {},
  };
  t.ok(violations(schema, good).length > 5);
  t.match(violations(schema, { ...good, extra: 1 }).join('\n'), /extra/);
  const finding = {
    id: 'x',
    check: 'a.b',
    title: '',
    verdict: 'unknown',
    severity: 'low',
    subject: {},
    evidence: [],
    controls: [],
  };
  t.match(violations({ $ref: '#/$defs/finding' }, finding, schema).join('\n'), /no reason/);
  t.end();
});
