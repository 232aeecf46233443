import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import t from 'tap';
import { observeContainer } from '../../../../agent/inspector/observe.ts';
import { podOfName } from '../../../../agent/inspector/container/kubelet-name.ts';
import { TEST_IMAGE, testDocker } from '../../../component/docker.ts';
import { liveNode, seenContainer } from '../live-node.ts';

const UID = '0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9';

void t.test('names of the kubelet', (t) => {
  const pod = { pod: 'shop-6f4d8b9c7d-x2x4p', namespace: 'shop', workload: 'shop' };
  const cases: readonly (readonly [string, string, object | undefined])[] = [
    [`k8s_web_shop-6f4d8b9c7d-x2x4p_shop_${UID}_0`, UID, pod],
    [`k8s_POD_shop-6f4d8b9c7d-x2x4p_shop_${UID}_12`, UID, pod],
    [`k8s_web_shop-6f4d8b9c7d-x2x4p_shop_${UID}_0_1f2e3d4c`, UID, pod],
    // A static pod has the hash of its file as uid.
    [
      'k8s_etcd_etcd-node-1_kube-system_6f1d0c6be2a54c0e9b7a3a1f5d2e4c60_0',
      '6f1d0c6be2a54c0e9b7a3a1f5d2e4c60',
      { pod: 'etcd-node-1', namespace: 'kube-system' },
    ],
    [`k8s_web_shop-6f4d8b9c7d-x2x4p_shop_${UID}_0`, '', undefined],
    [`k8s_web_shop-6f4d8b9c7d-x2x4p_shop_${UID}_0`, UID.replace('0a', '1a'), undefined],
    [`k8s_web_shop_shop_${UID}`, UID, undefined],
    [`k8s_web_shop_shop_x_${UID}_0`, UID, undefined],
    [`web_shop_shop_${UID}_0`, UID, undefined],
    [`k8s_web_sh op_shop_${UID}_0`, UID, undefined],
    [`k8s_web_shop_shop_${UID}_0\n`, UID, undefined],
    [`k8s_web__shop_${UID}_0`, UID, undefined],
    [`k8s_web_${'a'.repeat(254)}_shop_${UID}_0`, UID, undefined],
    ['', '', undefined],
  ];
  for (const [name, uid, expected] of cases)
    if (expected === undefined) t.equal(podOfName(name, uid), undefined, name);
    else t.match(podOfName(name, uid), expected, name);
  t.end();
});

const found = testDocker();

void t.test('a real dockerd', { skip: 'reason' in found && found.reason }, async (t) => {
  if (!('docker' in found)) return;
  const { docker } = found;
  const [uid, otherUid] = [randomUUID(), randomUUID()];
  t.teardown(() => rmSync(`/var/lib/kubelet/pods/${uid}`, { recursive: true, force: true }));
  // A kubelet that runs here ends what it does not know below /kubepods.
  const cgroup = (of: string): string => `--cgroup-parent=/kubepods-test/burstable/pod${of}`;
  const name = (of: string): string => `k8s_web_shop-6f4d8b9c7d-x2x4p_shop_${of}_0`;
  const labels = ['--label', 'io.kubernetes.pod.name=shop', '--label', `io.kubernetes.pod.uid=${uid}`];
  const started: string[] = [];
  t.teardown(() => started.length > 0 && docker.docker('rm', '-f', ...started));
  const podOf = async (containerName: string, ...flags: readonly string[]): Promise<object> => {
    const args = ['--name', containerName, '--network=none', ...flags, TEST_IMAGE, '/bin/sleep', '600'];
    const id = await docker.docker('run', '-d', ...args);
    started.push(id);
    // The kubelet makes one for each of its pods, and one that runs here removes those of others.
    mkdirSync(`/var/lib/kubelet/pods/${uid}`, { recursive: true });
    const { pod, namespace, workload, podUid } = seenContainer(
      await observeContainer(liveNode(docker.endpoint), {}, id),
    );
    return { pod, namespace, workload, podUid };
  };
  const none = { pod: '', namespace: '', workload: '' };
  t.strictSame(await podOf(name(uid), cgroup(uid)), {
    pod: 'shop-6f4d8b9c7d-x2x4p',
    namespace: 'shop',
    workload: 'shop',
    podUid: uid,
  });
  t.strictSame(await podOf(`${name(uid)}_1f`, ...labels), { ...none, podUid: '' }, 'a name and labels alone');
  t.strictSame(await podOf(name(otherUid), cgroup(uid)), { ...none, podUid: uid }, 'the name of another pod');
  t.strictSame(
    await podOf(`${name(otherUid)}_2f`, cgroup(otherUid)),
    { ...none, podUid: '' },
    'a cgroup of a pod that the kubelet does not know',
  );
});
