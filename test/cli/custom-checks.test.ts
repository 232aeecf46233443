import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { plimsoll, temporaryDirectory } from './process.ts';

const CHECK = `apiVersion: plimsoll.dev/v1
kind: Check
metadata: { name: acme.kernel-release }
spec:
  subject: node
  title: Kernel release is known
  failTitle: Kernel release is not known
  severity: low
  rationale: Kernels are chosen by their release.
  remediation: Ask the platform team.
  condition: node.kernelRelease != ""
  controls: [{ benchmark: cis-docker-1.8, control: "1.1.1" }]
`;

void t.test('a custom check is judged, listed and explained as one of Plimsoll', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'acme.yaml');
  writeFileSync(file, CHECK, { mode: 0o600 });
  const recording = join(directory, 'recorded');
  t.equal((await plimsoll(['record', recording])).code, 0);
  const scan = (...args: readonly string[]) =>
    plimsoll(['scan', '--recorded', recording, '--check', 'acme', ...args], { PLIMSOLL_CHECKS_FILE: file });
  const { findings } = JSON.parse((await scan('-o', 'json')).stdout) as { findings: readonly object[] };
  t.match(findings, [
    {
      check: 'acme.kernel-release',
      title: 'Kernel release is known',
      verdict: 'pass',
      evidence: [{ source: 'node.kernelRelease', seen: /^"\d+\./ }],
      controls: [{ benchmark: 'cis-docker-1.8.0', control: '1.1.1' }],
    },
  ]);
  t.match((await scan('-o', 'html')).stdout, /Kernel release is known/);
  const explained = await plimsoll(['explain', 'acme.kernel-release', '--checks-file', file]);
  t.match(
    explained.stdout,
    /Kernels are chosen by their release\.[^]*Ask the platform team\.[^]*cis-docker-1\.8\.0 1\.1\.1/,
  );
  await explainedProfile(t, directory);
  await waivedFindings(t, directory, scan);
  await testedChecks(t, directory, recording);

  writeFileSync(file, CHECK.replace('kernelRelease !=', 'kernelRelese !='));
  t.match(await scan(), {
    code: 2,
    stderr: /acme\.yaml:11: spec\.condition: node has no field `kernelRelese`; did you mean `kernelRelease`\?/,
  });
});

const CONTAINER_CHECK = `${CHECK}---
apiVersion: plimsoll.dev/v1
kind: Check
metadata: { name: acme.company-registry }
spec:
  subject: container
  title: Image comes from the company registry
  failTitle: Image comes from another registry
  severity: high
  rationale: Images of other registries are not scanned.
  remediation: Push the image to registry.example.com.
  parameters: { registries: [registry.example.com/] }
  condition: parameters.registries.exists(r, container.image.startsWith(r)) && container.uid != 0
`;

const cases = (verdict: string, check = 'acme.company-registry'): string => `apiVersion: plimsoll.dev/v1
kind: CheckTest
checks: [acme.yaml]
cases:
  - name: another registry
    check: ${check}
    given: { container: { image: "docker.io/nginx:1" } }
    expect: fail
  - name: the user could not be read
    check: ${check}
    given: { container: { image: "registry.example.com/shop:1" } }
    expect: ${verdict}
  - name: another parameter
    check: ${check}
    parameters: { registries: [docker.io/] }
    given: { container: { image: "docker.io/nginx:1", uid: 1000 } }
    expect: pass
  - name: a recorded node
    check: acme.kernel-release
    recording: ./recorded
    expect: pass
`;

async function testedChecks(t: Test, directory: string, recording: string): Promise<void> {
  const write = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  write('acme.yaml', CONTAINER_CHECK);
  const good = await plimsoll(['checks', 'test', write('good.yaml', cases('unknown')), '-o', 'json']);
  t.match(good, { code: 0, stderr: '' });
  t.match(JSON.parse(good.stdout), {
    passed: 4,
    failed: 0,
    cases: [{}, { reason: /container\.uid: the case does not give it/ }],
  });
  const bad = await plimsoll(['checks', 'test', write('bad.yaml', cases('pass')), '-o', 'junit']);
  t.equal(bad.code, 1);
  t.match(bad.stdout, /<testsuites name="plimsoll checks test" tests="4" failures="1" errors="0">/);
  t.match(bad.stdout, /<failure message="expected pass, got unknown" type="verdict">/);
  const typo = write('typo.yaml', cases('pass', 'acme.company-registri'));
  t.match(await plimsoll(['checks', 'test', typo]), {
    code: 2,
    stderr: /typo\.yaml:6: cases\[0\]\.check: these files have no check acme\.company-registri/,
  });
  const listed = await plimsoll([
    'checks',
    'test',
    join(directory, 'acme.yaml'),
    '--recording',
    recording,
    '-o',
    'wide',
  ]);
  t.match(listed, { code: 0, stdout: /acme\.kernel-release .* pass/ });
}

const PROFILE = `apiVersion: plimsoll.dev/v1
kind: Profile
metadata: { name: production }
spec:
  exclude: [{ check: ssh.forwarding, reason: Bastion hosts forward connections }]
  severities: { acme.company-registry: low, tls.certificate-validity: critical }
  parameters:
    acme.company-registry: { registries: [mirror.example.com/] }
    tls.certificate-validity: { warningDays: 61 }
`;

async function explainedProfile(t: Test, directory: string): Promise<void> {
  const [profile, checks] = [join(directory, 'production.yaml'), join(directory, 'containers.yaml')];
  writeFileSync(profile, PROFILE, { mode: 0o600 });
  writeFileSync(checks, CONTAINER_CHECK, { mode: 0o600 });
  const explain = async (check: string, ...args: readonly string[]): Promise<string> =>
    (await plimsoll(['explain', check, '--checks-file', checks, ...args], { COLUMNS: '500' })).stdout;
  const withProfile = ['--profile', profile] as const;
  t.match(await explain('tls.certificate-validity'), /Parameters of a profile\n[^]*warningDays: [^;]+; default \d+\n/);
  const tailored = await explain('tls.certificate-validity', ...withProfile);
  t.match(tailored, /^tls\.certificate-validity +CRITICAL\n/);
  t.match(tailored, /profile\s+production\s+sets\s+the\s+severity\s+of\s+every\s+failure:\s+critical/);
  t.match(tailored, /warningDays: [^;]+;\s+61\s+in\s+the\s+profile\s+production,\s+default \d+\n/);
  t.match(await explain('ssh.forwarding', ...withProfile), /excludes\s+it:\s+Bastion\s+hosts\s+forward\s+connections/);
  t.match(JSON.parse(await explain('acme.company-registry', ...withProfile, '-o', 'json')), {
    severity: 'low',
    parameters: [{ name: 'registries', default: ['registry.example.com/'], value: ['mirror.example.com/'] }],
    profile: { name: 'production', excluded: null, defaultSeverity: 'high' },
  });
}

const WAIVER = `apiVersion: plimsoll.dev/v1
kind: Waiver
metadata: { name: kernels }
spec:
  match: { checks: [acme.kernel-release] }
  reason: Kernels are replaced
  owner: platform team
  expires: ${new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)}
`;

async function waivedFindings(
  t: Test,
  directory: string,
  scan: (...args: readonly string[]) => ReturnType<typeof plimsoll>,
): Promise<void> {
  const check = join(directory, 'acme.yaml');
  const waivers = join(directory, 'waivers.yaml');
  writeFileSync(waivers, WAIVER, { mode: 0o600 });
  writeFileSync(check, CHECK.replace('!= ""', '== ""'), { mode: 0o600 });
  t.equal((await scan('--fail-on', 'low', '-q')).code, 1);
  const waived = await scan('--waivers', waivers, '--fail-on', 'low', '-o', 'json');
  t.equal(waived.code, 0, waived.stderr);
  t.match(JSON.parse(waived.stdout), {
    findings: [{ verdict: 'fail', waiver: { name: 'kernels', owner: 'platform team' } }],
    waivers: [{ name: 'kernels', state: 'used', findings: 1 }],
    summary: { failures: {} },
  });
  const sent = (await scan('--waivers', waivers, '-o', 'ocsf')).stdout;
  t.match(sent, /"status":"Suppressed","status_detail":"waived by /, 'an event of a waived finding says so');
  t.match(JSON.parse((await scan('--waivers', waivers, '-o', 'sarif')).stdout), {
    runs: [
      { results: [{ suppressions: [{ kind: 'external', justification: /^waived by kernels \(platform team/ }] }] },
    ],
  });
  writeFileSync(check, CHECK, { mode: 0o600 });
}
