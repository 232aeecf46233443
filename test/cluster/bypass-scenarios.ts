import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { ROOT } from '../../scripts/setup.mjs';
import type { FleetFinding } from '../../api/finding.ts';
import { dryRun, shopPod } from './admission-scenarios.ts';
import { startTimeMs, waitFor } from './cluster.ts';
import { SHOP } from './enforcement.ts';
import type { Enforcement } from './enforcement.ts';

const IMAGE = 'docker.io/lab/busybox:v1';
/** The evidence lists the first names only, and this machine may run containers of other engines. */
const CTR = `0-plimsoll-ctr-${String(process.pid)}`;
const TOOL = join(ROOT, '..', 'shared', 'cluster', 'cluster');
/** The goal is 5 s; a busy machine takes longer. */
const BUSY_MS = 15_000;

/** Pods that start within a minute of the first report of a webhook count as older than admission. */
const OLDER_MS = 65_000;

const tool = (...args: readonly string[]) => promisify(execFile)(TOOL, args, { timeout: 60_000 });
const sleeping = { command: ['/bin/sleep', '900'] };

/** Waits for a finding with this verdict. */
function findings({ api }: Enforcement) {
  return (check: string, isWanted: (finding: FleetFinding) => boolean): Promise<FleetFinding> =>
    waitFor(check, 120_000, async () => {
      const page = await api<{ findings: readonly FleetFinding[] }>(`/v1/findings?check=${check}&limit=1000`);
      return page.findings.find(isWanted);
    });
}

/** A static pod, and a container that was started at the runtime with forged labels, are found on the node. */
export async function findsBypasses(t: Test, enforcement: Enforcement): Promise<void> {
  const { cluster } = enforcement.plimsoll;
  const find = findings(enforcement);
  t.match(await find('admission.webhook', ({ verdict }) => verdict === 'pass'), { nodeName: 'kubernetes' });
  t.match(await find('admission.exempt-namespace', () => true), { verdict: 'pass' });
  const manifest = join(cluster.state, 'manifests', 'plimsoll-bypass.json');
  t.teardown(async () => {
    rmSync(manifest, { force: true });
    await tool('ctr', 'tasks', 'delete', '--force', CTR).catch(() => undefined);
    await tool('ctr', 'containers', 'delete', CTR).catch(() => undefined);
  });
  writeFileSync(manifest, JSON.stringify(shopPod('static', IMAGE, { container: sleeping })));
  const fixed = await find(
    'admission.admitted',
    ({ subject, verdict }) => verdict === 'fail' && subject.name.includes('static'),
  );
  t.match(fixed.reason, /static pod/);
  const staticMs = fixed.firstSeenMs - startTimeMs((await cluster.processes()).get(fixed.subject.id) ?? 0);
  t.comment(`static pod: found ${String(Math.round(staticMs))} ms after its start`);
  t.ok(staticMs < BUSY_MS, `static pod: ${String(staticMs)} ms`);
  rmSync(manifest);
  // Whoever reaches the socket of containerd chooses the labels.
  const uid = '00000000-0000-4000-8000-000000000001';
  const forged = [`io.kubernetes.pod.uid=${uid}`, 'io.kubernetes.pod.namespace=kube-system'];
  const labels = forged.flatMap((label) => ['--label', label]);
  await tool('ctr', 'run', '--detach', ...labels, IMAGE, CTR, 'sleep', '900');
  const pid = await waitFor('ctr', 10_000, async () => (await cluster.processes()).get(CTR));
  const bypass = await find('runtime.unobserved', ({ evidence }) => evidence.some(({ seen }) => seen.includes(CTR)));
  const ctrMs = bypass.changedMs - startTimeMs(pid);
  t.comment(`container of ctr: found ${String(Math.round(ctrMs))} ms after its start`);
  t.ok(ctrMs < BUSY_MS, `container of ctr: ${String(ctrMs)} ms`);
  await tool('ctr', 'tasks', 'delete', '--force', CTR);
  await tool('ctr', 'containers', 'delete', CTR);
}

/** A deleted webhook configuration, and a pod that was created meanwhile, are found. */
export async function findsTampering(t: Test, enforcement: Enforcement, image: string): Promise<void> {
  const { plimsoll, deployedMs, register } = enforcement;
  const { cluster } = plimsoll;
  const find = findings(enforcement);
  const admitted = (name: string, verdict: string) =>
    find('admission.admitted', (one) => one.verdict === verdict && one.subject.name.startsWith(`${SHOP}/${name}/`));
  await waitFor('pods not to count as older', OLDER_MS, () => Date.now() - deployedMs > OLDER_MS);
  await cluster.apply(shopPod('late', image));
  await admitted('late', 'pass');
  await cluster.kubectl('delete', 'validatingwebhookconfiguration', 'plimsoll-admission');
  const deletedMs = Date.now();
  await cluster.apply(shopPod('unjudged', IMAGE, { container: sleeping }));
  const deleted = await find('admission.webhook', ({ reason }) => (reason ?? '').includes('was deleted'));
  t.comment(`deleted webhook configuration: found after ${String(deleted.changedMs - deletedMs)} ms`);
  t.ok(deleted.changedMs - deletedMs < BUSY_MS);
  await register();
  t.match(await admitted('unjudged', 'fail'), { reason: /no admission webhook has admitted this pod/ });
  await find('admission.webhook', ({ verdict }) => verdict === 'pass');
  // The replicas write their authorities into the new configuration; until then the API server trusts none.
  const isAnswered = async (): Promise<boolean> => (await dryRun(enforcement, shopPod('again', image))).code === 0;
  await waitFor('the webhook to be trusted again', BUSY_MS, isAnswered);
}
