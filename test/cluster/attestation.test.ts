import { createSign } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import t from 'tap';
import type { Test } from 'tap';
import { createAttestation } from '../../collector/enrollment/kubernetes-attestation.ts';
import { accessFromKubeconfig } from '../../kubernetes/access.ts';
import { createKubernetesApi } from '../../kubernetes/api-client.ts';
import { cannotRunCluster, startCluster } from './cluster.ts';

/*
 * Attestation against a real API server: tokens that it issued, and a collector with no more rights than the manual asks
 * for. The pods need not start.
 */
const skip = cannotRunCluster();
/** The kubeconfig of an administrator. */
let kubeconfig = '';
const NAMESPACE = `plimsoll-test-${String(process.pid)}`;
const AUDIENCE = 'plimsoll-collector';

function kubectl(input: unknown, ...args: readonly string[]): string {
  return execFileSync('kubectl', ['--kubeconfig', kubeconfig, ...args], {
    encoding: 'utf8',
    input: JSON.stringify(input),
  });
}

const metadata = (name: string) => ({ name, namespace: NAMESPACE });
const account = (name: string) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata(name) });
const pod = (name: string, serviceAccountName: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: metadata(name),
  spec: {
    serviceAccountName,
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'c', image: 'docker.io/lab/busybox:v1', imagePullPolicy: 'Never', command: ['sleep', '600'] }],
  },
});

/** What a collector may do: the rights in docs/operations.md. */
function rightsOf(name: string): readonly unknown[] {
  const roles = (kind: string, rules: readonly unknown[], scope: object) => {
    const group = 'rbac.authorization.k8s.io';
    const subjects = [{ kind: 'ServiceAccount', name, namespace: NAMESPACE }];
    return [
      { apiVersion: `${group}/v1`, kind, metadata: scope, rules },
      {
        apiVersion: `${group}/v1`,
        kind: `${kind}Binding`,
        metadata: scope,
        subjects,
        roleRef: { apiGroup: group, kind, name: NAMESPACE },
      },
    ];
  };
  return [
    ...roles(
      'ClusterRole',
      [
        { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
        { apiGroups: [''], resources: ['nodes'], verbs: ['get'] },
        { apiGroups: [''], resources: ['namespaces'], resourceNames: ['kube-system'], verbs: ['get'] },
      ],
      { name: NAMESPACE },
    ),
    ...roles('Role', [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }], metadata(NAMESPACE)),
  ];
}

function tokenOf(serviceAccount: string, podName?: string, audience = AUDIENCE): string {
  const uid =
    podName === undefined ? '' : kubectl('', '-n', NAMESPACE, 'get', 'pod', podName, '-o', 'jsonpath={.metadata.uid}');
  const boundObjectRef = podName === undefined ? undefined : { apiVersion: 'v1', kind: 'Pod', name: podName, uid };
  const request = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: audience === '' ? [] : [audience], expirationSeconds: 3600, boundObjectRef },
  };
  const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${serviceAccount}/token`;
  const answer = JSON.parse(kubectl(request, 'create', '--raw', path, '-f', '-')) as { status: { token: string } };
  return answer.status.token;
}

/** The token with another expiry, signed with the key of the test cluster; undefined where that key is not at hand. */
function expire(token: string): string | undefined {
  const key = join(kubeconfig, '..', 'pki', 'sa.key');
  if (!existsSync(key)) return undefined;
  const [header = '', payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  const now = Math.floor(Date.now() / 1000);
  const past = Buffer.from(JSON.stringify({ ...claims, iat: now - 7200, nbf: now - 7200, exp: now - 3600 }));
  const signed = `${header}.${past.toString('base64url')}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(readFileSync(key, 'utf8'), 'base64url')}`;
}

async function openAttestation(t: Test) {
  const admin = JSON.parse(kubectl('', 'config', 'view', '--raw', '-o', 'json')) as {
    clusters: { name: string; cluster: object }[];
  };
  const path = join(t.testdir(), 'kubeconfig');
  const collector = {
    'current-context': 'c',
    clusters: [{ ...admin.clusters[0], name: 'c' }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'c' } }],
    users: [{ name: 'c', user: { token: tokenOf('collector', undefined, '') } }],
  };
  writeFileSync(path, JSON.stringify(collector));
  const api = createKubernetesApi(await accessFromKubeconfig(path));
  t.teardown(api.close);
  return createAttestation({ api, audience: AUDIENCE, serviceAccounts: [`${NAMESPACE}/agent`], clusterId: '' });
}

void t.test('a real API server confirms the pod of an agent, and nothing else', { skip }, async (t) => {
  kubeconfig = String((await startCluster()).environment['KUBECONFIG']);
  t.teardown(() => {
    kubectl('', 'delete', 'clusterrole,clusterrolebinding', NAMESPACE, '--wait=false');
    kubectl('', 'delete', 'namespace', NAMESPACE, '--wait=false');
  });
  kubectl({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }, 'apply', '-f', '-');
  const items = ['agent', 'other', 'collector'].map(account);
  const all = [
    ...items,
    ...rightsOf('collector'),
    pod('agent-1', 'agent'),
    pod('other-1', 'other'),
    pod('gone', 'agent'),
  ];
  kubectl({ apiVersion: 'v1', kind: 'List', items: all }, 'apply', '-f', '-');
  kubectl('', '-n', NAMESPACE, 'wait', '--for=condition=PodScheduled', 'pod', '--all', '--timeout=60s');
  const attestToken = await openAttestation(t);
  const jsonpath = (...args: readonly string[]): string => kubectl('', 'get', ...args);
  const nodeName = jsonpath('-n', NAMESPACE, 'pod', 'agent-1', '-o', 'jsonpath={.spec.nodeName}');
  const token = tokenOf('agent', 'agent-1');
  t.strictSame(await attestToken(token), {
    ok: true,
    node: {
      nodeId: jsonpath('node', nodeName, '-o', 'jsonpath={.metadata.uid}'),
      nodeName,
      clusterId: jsonpath('namespace', 'kube-system', '-o', 'jsonpath={.metadata.uid}'),
      pod: `${NAMESPACE}/agent-1`,
    },
  });
  const refused = async (name: string, given: string, reason: RegExp): Promise<void> =>
    void t.match(await attestToken(given), { ok: false, code: 'unauthorized', reason }, name);
  await refused('another service account', tokenOf('other', 'other-1'), /:other is not a service account of agents/);
  await refused('another audience', tokenOf('agent', 'agent-1', 'vault'), /audiences \["vault"\]/);
  await refused('the audience of the API server', tokenOf('agent', 'agent-1', ''), /does not accept the token/);
  await refused('no pod', tokenOf('agent'), /not bound to a pod/);
  const [header = '', payload = ''] = token.split('.');
  await refused('a wrong signature', `${header}.${payload}.${'A'.repeat(342)}`, /does not accept the token/);
  const expired = expire(token);
  if (expired !== undefined) await refused('expired', expired, /expired/);
  const ofGone = tokenOf('agent', 'gone');
  kubectl('', '-n', NAMESPACE, 'delete', 'pod', 'gone', '--force', '--grace-period=0', '--wait=true');
  await refused('a pod that was deleted', ofGone, /does not accept the token|does not exist|being deleted/);
});
