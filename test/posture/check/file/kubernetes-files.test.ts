import t from 'tap';
import { allowedFileMode } from '../../../../posture/benchmark/kubernetes-benchmark.ts';
import type { FileCheck } from '../../../../posture/check/check.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import type { FileFact } from '../../../../posture/fact/file.ts';
import { judgeAll } from '../../../../posture/judge.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { Severity, Verdict } from '../../../../posture/verdict.ts';
import { factsOf, noKubelet } from '../../../fixture/facts.ts';
import { judgeFileRows } from '../../../fixture/node-table.ts';

const PATH = '/etc/kubernetes/file';

function fileOf(role: FileFact['role'], mode: number, expectedMode: number | null, uid = 0, gid = 0): FileFact {
  const owner = { uid, gid, owner: uid === 0 ? 'root' : 'kube', group: gid === 0 ? 'root' : 'kube' };
  const stat = seen({ realPath: PATH, kind: 'file' as const, mode, ...owner }, `stat ${PATH}`);
  return { role, path: PATH, stat, expectedGroup: '', expectedMode };
}

function checkOf(id: string): FileCheck {
  const check = CHECKS.find((each) => each.id === id);
  if (check?.judges !== 'file') throw new Error(`${id} is not a check of files`);
  return check;
}

/** Check, mode, mode that the benchmark of the node allows, verdict, severity. */
const MODES: readonly (readonly [string, number, number | null, Verdict, Severity?])[] = [
  ['file.kubelet-unit-mode', 0o600, 0o600, 'pass'],
  ['file.kubelet-unit-mode', 0o644, 0o600, 'fail', 'low'],
  ['file.kubelet-unit-mode', 0o664, 0o600, 'fail'],
  ['file.kubelet-unit-mode', 0o644, 0o644, 'pass'],
  ['file.kubelet-kubeconfig-mode', 0o644, 0o600, 'fail', 'medium'],
  ['file.kubelet-kubeconfig-mode', 0o644, 0o644, 'pass'],
  ['file.kubelet-kubeconfig-mode', 0o666, 0o644, 'fail'],
  ['file.kubelet-config-mode', 0o600, 0o600, 'pass'],
  ['file.kubelet-config-mode', 0o4600, 0o600, 'fail'],
  ['file.kubelet-config-mode', 0o644, null, 'fail', 'low'],
  ['file.kubelet-client-ca-mode', 0o644, 0o644, 'pass'],
  ['file.kubelet-client-ca-mode', 0o644, 0o600, 'fail', 'info'],
  ['file.kubelet-client-ca-mode', 0o646, 0o644, 'fail'],
  ['file.kube-proxy-kubeconfig-mode', 0o400, 0o600, 'pass'],
  ['file.kube-proxy-kubeconfig-mode', 0o644, 0o600, 'fail', 'medium'],
  ['file.azure-cloud-config-mode', 0o644, null, 'pass'],
  ['file.azure-cloud-config-mode', 0o664, null, 'fail'],
];

for (const [id, mode, expectedMode, verdict, severity] of MODES) {
  const check = checkOf(id);
  const name = `${mode.toString(8)} where ${String(expectedMode?.toString(8))} is allowed`;
  const row = { name, file: fileOf(check.role, mode, expectedMode), verdict };
  judgeFileRows(t, check, [severity === undefined ? row : { ...row, severity }]);
}

const OWNERS = [
  'file.azure-cloud-config-owner',
  'file.kube-proxy-kubeconfig-owner',
  'file.kubelet-client-ca-owner',
  'file.kubelet-config-owner',
  'file.kubelet-kubeconfig-owner',
  'file.kubelet-unit-owner',
];

for (const id of OWNERS) {
  const { role } = checkOf(id);
  const rows = (verdict: Verdict, uid: number, gid: number) => ({
    name: `${String(uid)}:${String(gid)}`,
    file: fileOf(role, 0o600, null, uid, gid),
    verdict,
  });
  judgeFileRows(t, checkOf(id), [rows('pass', 0, 0), rows('fail', 1000, 0), rows('fail', 0, 1000)]);
  for (const each of [id, id.replace('-owner', '-mode')]) {
    const base = { role, path: PATH, expectedGroup: '', expectedMode: null };
    judgeFileRows(t, checkOf(each), [
      // kube-bench fails a file that is not there.
      { name: 'no such file', file: { ...base, stat: absent(PATH) }, verdict: 'notApplicable' },
      { name: 'not readable', file: { ...base, stat: unreadable(PATH, 'EACCES') }, verdict: 'unknown' },
    ]);
  }
}

// The modes of each benchmark, by its text: 4.1.1, 4.1.5, 4.1.7, 4.1.9 and 4.1.3, or 3.1.1 and 3.1.3.
t.test('what benchmarks allow', (t) => {
  const allowed = (benchmark: string): readonly string[] =>
    (['kubeletUnit', 'kubeletKubeconfig', 'kubeletClientCa', 'kubeletConfig', 'kubeProxyKubeconfig'] as const).map(
      (role) => allowedFileMode(role, benchmark).toString(8),
    );
  t.same(allowed('cis-kubernetes-1.10'), ['600', '600', '600', '600', '600']);
  t.same(allowed('cis-kubernetes-1.11'), ['600', '600', '644', '600', '600'], '1.11 relaxed the CA file');
  t.same(allowed('cis-kubernetes-2.0.0'), ['600', '600', '644', '600', '600']);
  t.same(allowed('cis-k3s-1.9'), ['600', '600', '600', '600', '600']);
  t.same(allowed('cis-openshift-1.8'), ['644', '644', '644', '600', '644']);
  t.equal(allowed('cis-eks-1.8.0')[1], '644');
  t.equal(allowed('cis-eks-1.8.0')[3], '644');
  t.end();
});

t.test('a kubelet that cannot be looked at any more resolves no finding of its files', (t) => {
  const id = 'file.kubelet-config-mode';
  const before = judgeAll([checkOf(id)], factsOf({ files: [fileOf('kubeletConfig', 0o666, 0o600)] }));
  t.match([...before.values()], [{ verdict: 'fail', subject: { id: PATH } }]);
  const hidden = { ...noKubelet(), process: unreadable('/proc', 'hidepid') };
  const after = judgeAll([checkOf(id)], factsOf({ kubelet: hidden }), before);
  t.equal(after.get(`${id}/file/${PATH}`)?.verdict, 'unknown');
  t.end();
});
