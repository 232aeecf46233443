import t from 'tap';
import type { Test } from 'tap';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { readProxies } from '../../../../agent/inspector/kubelet/proxies.ts';
import type { FoundKubelet } from '../../../../agent/inspector/kubelet/find-kubelet.ts';
import { parseProcStatus } from '../../../../agent/inspector/proc/proc-status.ts';
import type { KubeletFact } from '../../../../posture/fact/kubelet.ts';
import { CHECKS } from '../../../../posture/check/registry.ts';
import { judgeAll } from '../../../../posture/judge.ts';
import { factsOf } from '../../../fixture/facts.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { statusWith, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { kubeletFact } from '../../../fixture/kubelet.ts';

const CONTAINER = `0::/kubepods/pod1/${'ab'.repeat(32)}\n`;
const OTHER_NETWORK = { net: 4026532999 };
const row = (address: string, inode: number): string =>
  `   0: ${address}:2809 00000000:0000 0A 0:0 0:0 0 0 0 ${String(inode)} 1\n`;
const TABLE = `  sl  local_address rem_address   st\n${row('0100007F', 11)}${row('00000000', 12)}`;

const KUBELET: FoundKubelet = {
  pid: 712,
  status: parseProcStatus(statusWith({})) as FoundKubelet['status'],
  executable: '/usr/bin/kubelet',
  startTicks: 1,
  isReplaced: false,
  program: 'kubelet',
};

function proxiesOf(t: Test, tree: Tree): Promise<KubeletFact['proxies']> {
  const host = treeHost(t, { ...NODE_TREE, '/proc/1/net/tcp': TABLE, '/usr/local/bin/kube-proxy': '', ...tree });
  return readProxies({ host, cache: createParseCache() }, KUBELET);
}

const proxy = (pid: number, made: Parameters<typeof processTree>[1] = {}): Tree =>
  processTree(pid, { comm: 'kube-proxy', exe: '/usr/local/bin/kube-proxy', cgroup: CONTAINER, ...made });

function verdictOf(proxies: KubeletFact['proxies']): string | undefined {
  const findings = [...judgeAll(CHECKS, factsOf({ kubelet: kubeletFact({}, { proxies }) })).values()];
  return findings.find(({ check }) => check === 'kubelet.kube-proxy-metrics')?.verdict;
}

t.test('of a container nothing but its sockets is read', async (t) => {
  const cmdline = 'kube-proxy\0--kubeconfig=/etc/shadow\0';
  const proxies = await proxiesOf(t, proxy(803, { sockets: [11], cmdline }));
  t.match(proxies, { state: 'seen', value: [{ pid: 803, container: true, kubeconfig: { state: 'absent' } }] });
  t.equal(verdictOf(proxies), 'pass');
});

t.test('no container can hide the open port of another, or open one for it', async (t) => {
  const real = proxy(803, { sockets: [12] });
  t.equal(verdictOf(await proxiesOf(t, real)), 'fail');
  t.equal(verdictOf(await proxiesOf(t, { ...real, ...proxy(900, { sockets: [11] }) })), 'fail', 'beside a good one');
  const elsewhere = proxy(901, { sockets: [12], namespaces: OTHER_NETWORK });
  t.equal(verdictOf(await proxiesOf(t, { ...proxy(803, { sockets: [11] }), ...elsewhere })), 'pass', 'another network');
  const crowd = (made: Parameters<typeof proxy>[1]): Tree =>
    Object.assign({}, ...Array.from({ length: 20 }, (_, index) => proxy(100 + index, made))) as Tree;
  t.equal(verdictOf(await proxiesOf(t, { ...real, ...crowd({ sockets: [] }) })), 'fail', 'behind a crowd');
  t.equal(verdictOf(await proxiesOf(t, crowd({ sockets: [11] }))), 'unknown', 'more than are looked at');
  const ofUser = { cgroup: '0::/user.slice\n', status: { Uid: '1000\t1000\t1000\t1000' }, sockets: [12] };
  t.equal(verdictOf(await proxiesOf(t, crowd(ofUser))), 'notApplicable', 'a crowd of a user');
});

t.test('a kube-proxy of the host names its credentials', async (t) => {
  const own = { cgroup: '0::/system.slice/kube-proxy.service\n', sockets: [11] };
  const config = '/var/lib/kube-proxy/config.conf';
  const file = 'kind: KubeProxyConfiguration\nclientConnection: {kubeconfig: /var/lib/kube-proxy/kubeconfig.conf}\n';
  const byFile = await proxiesOf(t, {
    [config]: file,
    ...proxy(803, { ...own, cmdline: `kube-proxy\0--config=${config}\0--kubeconfig=/ignored\0` }),
  });
  t.match(byFile, { value: [{ container: false, kubeconfig: { value: '/var/lib/kube-proxy/kubeconfig.conf' } }] });
  const byFlag = await proxiesOf(t, proxy(803, { ...own, cmdline: 'kube-proxy\0--kubeconfig\0/etc/proxy.conf\0' }));
  t.match(byFlag, { value: [{ kubeconfig: { value: '/etc/proxy.conf' } }] });
});
