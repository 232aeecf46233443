import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { createRecorder } from '../../../agent/record/recorder.ts';
import { openRecorded } from '../../../agent/record/recording.ts';
import { scanOnce } from '../../../agent/scan.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import type { Scan } from '../../../agent/scan.ts';
import { testDocker } from '../../component/docker.ts';
import { nodeOf } from './node-of.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** They judge private keys and `.ssh` directories, which are never recorded: for a recording they are unknown. */
const OF_SECRETS = new Set([
  'ssh.authorized-key-strength',
  'ssh.authorized-keys-files',
  'ssh.host-key-origin',
  'ssh.host-key-strength',
  'ssh.root-authorized-keys',
  'ssh.system-account-keys',
  'ssh.unencrypted-private-key',
  'tls.administrator-credentials',
  'tls.certificate-strength',
  'tls.certificate-validity',
]);

const verdicts = ({ findings }: Scan): unknown =>
  findings
    .filter(({ check }) => !OF_SECRETS.has(check))
    .map(({ id, verdict, severity, evidence, ...others }) => ({
      id,
      verdict,
      severity,
      sources: evidence.map(({ source }) => source),
      reason: 'reason' in others ? others.reason : undefined,
    }));

void t.test('a recorded node gets the verdicts of the live one', async (t) => {
  // With the engine of the test run where there is one; a node without is judged too.
  const found = testDocker();
  const docker = 'docker' in found ? found.docker : undefined;
  const names = [`record-${String(process.pid)}-a`, `record-${String(process.pid)}-b`] as const;
  if (docker !== undefined) {
    t.teardown(() => docker.remove(...names));
    await docker.start(names[0], '--privileged', '--network=none', '-e', 'API_TOKEN=planted-in-a-test');
    await docker.start(
      names[1],
      '--network=none',
      '--security-opt=seccomp=unconfined',
      '--label=x.token=planted-in-a-test',
    );
  }
  const recorder = createRecorder(nodeOf(createLinuxHost(), docker?.endpoint));
  const live = await scanOnce({ access: recorder.access, checks: CHECKS });
  const directory = join(temporaryDirectory(t), 'recording');
  t.match(await recorder.save(directory), { ok: true, dropped: 0 });
  const opened = await openRecorded(directory);
  if (!opened.ok) throw new Error(opened.problem);
  const recorded = await scanOnce({ access: opened.access, checks: CHECKS });
  t.ok(live.findings.length > 40);
  t.strictSame(verdicts(recorded), verdicts(live));
  const ofSecrets = recorded.findings.filter(({ check }) => OF_SECRETS.has(check));
  t.same(
    ofSecrets.filter(
      ({ verdict, id }) => verdict === 'fail' && live.findings.find((each) => each.id === id)?.verdict !== 'fail',
    ),
    [],
    'what was not recorded fails nothing',
  );
});
