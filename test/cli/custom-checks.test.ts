import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
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
  controls: [{ benchmark: cis-docker-1.8.0, control: "1.1.1" }]
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
  t.match(JSON.parse((await scan('-o', 'sarif')).stdout), {
    runs: [{ tool: { driver: { rules: [{ id: 'acme.kernel-release', help: { text: 'Ask the platform team.' } }] } } }],
  });
  const listed = await plimsoll(['checks', '--check', 'acme', '--checks-file', file]);
  t.match(listed.stdout, /acme\.kernel-release +low +Kernel release is known/);
  const explained = await plimsoll(['explain', 'acme.kernel-release', '--checks-file', file]);
  t.match(
    explained.stdout,
    /Kernels are chosen by their release\.[^]*Ask the platform team\.[^]*cis-docker-1\.8\.0 1\.1\.1/,
  );
  t.match(await plimsoll(['scan', '--check', 'acme']), { code: 2, stderr: /there is no check "acme"/ });

  writeFileSync(file, CHECK.replace('kernelRelease !=', 'kernelRelese !='));
  t.match(await scan(), {
    code: 2,
    stderr: /acme\.yaml:11: spec\.condition: node has no field `kernelRelese`; did you mean `kernelRelease`\?/,
  });
});
