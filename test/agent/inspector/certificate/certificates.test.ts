import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { certificatesInspector } from '../../../../agent/inspector/certificate/inspect.ts';
import { hasBootstrapToken, parseCertificates } from '../../../../agent/inspector/certificate/parse.ts';
import { certificatesSchema } from '../../../../posture/fact/certificates.ts';
import type { CertificatesFact } from '../../../../posture/fact/certificates.ts';
import { SEED } from '../../../fixture/inspector/read.ts';
import { temporaryDirectory, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

const OPENSSL = '/usr/bin/openssl';
const skip = existsSync(OPENSSL) ? false : 'no openssl';

async function inspect(t: Test, tree: Tree, change: (root: string) => void = () => {}): Promise<CertificatesFact> {
  const host = treeHost(t, { '/etc/x': '', ...tree });
  change(host.root);
  const fact = await certificatesInspector.inspect(await accessTo(t, host), {});
  t.ok(certificatesSchema.parse(fact).ok);
  return fact;
}

/** A certificate and its key that openssl made. */
function make(
  t: Test,
  subject: string,
  words: readonly string[] = ['-newkey', 'rsa:2048', '-sha256'],
): { pem: string; key: string } {
  const at = temporaryDirectory(t);
  const files = ['-keyout', join(at, 'key'), '-out', join(at, 'pem')];
  execFileSync(OPENSSL, ['req', '-x509', '-nodes', '-days', '30', '-subj', subject, ...words, ...files], {
    stdio: 'ignore',
  });
  return { pem: readFileSync(join(at, 'pem'), 'utf8'), key: readFileSync(join(at, 'key'), 'utf8') };
}

t.test('what openssl says of the same certificate', { skip }, async (t) => {
  const { pem, key } = make(t, '/O=system:masters/O=ops/CN=kubernetes-admin', ['-newkey', 'rsa:1024', '-sha1']);
  const ec = make(t, '/O=system:nodes/CN=system:node:a', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']);
  const config = `users:\n- name: a\n  user:\n    client-certificate-data: ${Buffer.from(pem).toString('base64')}\n    client-key-data: ${Buffer.from(key).toString('base64')}\n`;
  const fact = await inspect(t, {
    '/etc/kubernetes/admin.conf': config,
    '/var/lib/kubelet/pki/kubelet-client-2026.pem': ec.pem + ec.key,
    '/var/lib/kubelet/pki/kubelet-client-current.pem': '-> kubelet-client-2026.pem',
    '/etc/kubernetes/pki/ca.key': key,
    '/etc/kubernetes/bootstrap-kubelet.conf': 'users:\n- user:\n    token: abcdef.0123456789abcdef\n',
    '/etc/docker/certs.d/r:5000/ca.crt': `x\n${pem}${ec.pem}`,
  });
  const found = fact.found.state === 'seen' ? fact.found.value : [];
  const end = execFileSync(OPENSSL, ['x509', '-noout', '-enddate'], { input: pem, encoding: 'utf8' });
  t.match(found[0], {
    path: '/etc/kubernetes/admin.conf',
    organizations: ['system:masters', 'ops'],
    kubeconfig: true,
    keyBits: 1024,
    notAfterMs: Date.parse(end.replace('notAfter=', '').trim()),
    selfSigned: true,
  });
  t.match(found[0]?.signature, /sha1/i);
  t.same(
    found.map(({ path, keyType }) => [path, keyType]),
    [
      ['/etc/kubernetes/admin.conf', 'rsa'],
      ['/var/lib/kubelet/pki/kubelet-client-2026.pem', 'ec'],
      ['/etc/docker/certs.d/r:5000/ca.crt', 'rsa'],
      ['/etc/docker/certs.d/r:5000/ca.crt', 'ec'],
    ],
  );
  t.match(fact, {
    unread: [],
    authorityKeys: { value: ['/etc/kubernetes/pki/ca.key'] },
    bootstrapTokens: { value: ['/etc/kubernetes/bootstrap-kubelet.conf'] },
    controlPlane: { value: false },
  });
  t.notMatch(JSON.stringify(fact), /PRIVATE|abcdef\.0123/);
});

t.test('certificates that the kubelet has replaced do not count', { skip }, async (t) => {
  const at = '/var/lib/kubelet/pki';
  const [one, two, three] = ['a', 'b', 'c'].map((name) => make(t, `/CN=${name}`).pem);
  const tree: Tree = {
    [`${at}/kubelet-client-2025-01-31-12-00-00.pem`]: one ?? '',
    [`${at}/kubelet-client-2026-01-31-12-00-00.pem`]: two ?? '',
    [`${at}/kubelet-server-2025-01-31-12-00-00.pem`]: three ?? '',
  };
  const pathsOf = ({ found }: CertificatesFact) =>
    found.state === 'seen'
      ? found.value.map(({ path, subject }) => `${path.slice(at.length + 1)} ${subject}`)
      : found.state;
  t.same(pathsOf(await inspect(t, tree)), [
    'kubelet-client-2025-01-31-12-00-00.pem CN=a',
    'kubelet-client-2026-01-31-12-00-00.pem CN=b',
    'kubelet-server-2025-01-31-12-00-00.pem CN=c',
  ]);
  for (const target of [`${at}/kubelet-client-2026-01-31-12-00-00.pem`, 'kubelet-client-2026-01-31-12-00-00.pem'])
    t.same(pathsOf(await inspect(t, { ...tree, [`${at}/kubelet-client-current.pem`]: `-> ${target}` })), [
      'kubelet-client-2026-01-31-12-00-00.pem CN=b',
      'kubelet-server-2025-01-31-12-00-00.pem CN=c',
    ]);
  const dangling = { ...tree, [`${at}/kubelet-client-current.pem`]: '-> nothing.pem' };
  t.equal(pathsOf(await inspect(t, dangling)).length, 3, 'which one is used is not known');
});

t.test('what is not understood is not left out', { skip }, async (t) => {
  const { pem } = make(t, '/CN=a');
  const data = Buffer.from(pem).toString('base64');
  const json = JSON.stringify({ users: [{ name: 'a', user: { 'client-certificate-data': data } }] });
  const fact = await inspect(t, {
    '/etc/etcd/cut.pem': pem.slice(0, 200),
    '/etc/etcd/part.pem': `${pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    '/etc/etcd/windows.crt': pem.replaceAll('\n', '\r\n'),
    '/etc/etcd/many.crt': pem.repeat(257),
    '/etc/kubernetes/json.conf': json,
    '/etc/kubernetes/comment.conf': `# client-certificate-data: ${data}\n`,
  });
  t.same(
    fact.unread.map(({ path }) => path),
    ['/etc/etcd/cut.pem', '/etc/etcd/many.crt', '/etc/etcd/part.pem'],
  );
  const found = fact.found.state === 'seen' ? fact.found.value : [];
  t.same([...new Set(found.map(({ path, kubeconfig }) => `${path} ${String(kubeconfig)}`))].sort(), [
    '/etc/etcd/many.crt false',
    '/etc/etcd/part.pem false',
    '/etc/etcd/windows.crt false',
    '/etc/kubernetes/json.conf true',
  ]);
});

t.test('credentials of administrators in home directories', { skip }, async (t) => {
  const kubeconfig = (subject: string): string =>
    `users:\n- user:\n    client-certificate-data: ${Buffer.from(make(t, subject).pem).toString('base64')}\n`;
  const admin = kubeconfig('/O=system:masters/CN=admin');
  const base: Tree = {
    '/etc/passwd':
      'root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/sh\nsvc:x:990:990::/srv:/usr/sbin/nologin\n',
    '/proc/1/mountinfo': '20 1 8:1 / / rw - ext4 /dev/sda1 rw\n',
    '/home/ada/x': '',
    '/home/bob/x': '',
  };
  const homes = async (tree: Tree, change?: (root: string) => void): Promise<unknown> =>
    (await inspect(t, { ...base, ...tree }, change)).homeCredentials;
  t.match(await homes({}), { state: 'seen', value: [] });
  t.match(await homes({ '/home/bob/.kube/config': admin }), { state: 'seen', value: ['/home/bob/.kube/config'] });
  t.match(await homes({ '/home/bob/.kube/config': kubeconfig('/O=dev/CN=bob') }), { state: 'seen', value: [] });
  t.match(await homes({ '/srv/.kube/config': admin }), { state: 'seen', value: [] }, 'an account without a shell');
  // What a user does to his own file does not hide that of another, and is not called clean.
  const large = { '/home/ada/.kube/config': 'x'.repeat(600_000) };
  t.match(await homes(large), { state: 'unreadable', source: '/home/ada/.kube/config' });
  t.match(await homes({ ...large, '/home/bob/.kube/config': admin }), { value: ['/home/bob/.kube/config'] });
  t.match(await homes({ '/home/ada/.kube/config': '-> /proc/kmsg' }), { state: 'seen', value: [] }, 'it leads nowhere');
  const mounted = {
    '/proc/1/mountinfo': `${String(base['/proc/1/mountinfo'])}21 20 0:40 / /home rw - nfs4 nas:/home rw\n`,
  };
  t.match(await homes(mounted), { state: 'unreadable', reason: /nfs4/ });
  const others = await inspect(t, { ...base, ...large, '/etc/kubernetes/a.pem': make(t, '/CN=a').pem });
  t.match(others, { unread: [], found: { state: 'seen' } }, 'other certificates are judged as before');
});

t.test(
  'a file that others can change hides no other',
  { skip: skip || (process.getuid?.() === 0 ? false : 'not root') },
  async (t) => {
    const { pem } = make(t, '/CN=a');
    const fact = await inspect(t, { '/etc/etcd/a.pem': pem, '/etc/kubernetes/b.pem': pem }, (root) => {
      chownSync(join(root, '/etc/etcd'), 1000, 1000);
    });
    t.match(fact.unread, [{ path: '/etc/etcd/a.pem' }]);
    t.match(fact.found, { value: [{ path: '/etc/kubernetes/b.pem' }] });
  },
);

t.test('a node without any, and one that runs an API server', async (t) => {
  t.match(await inspect(t, {}), { found: { state: 'absent' }, controlPlane: { value: false } });
  const manifest = '/etc/kubernetes/manifests/kube-apiserver.yaml';
  t.match(await inspect(t, { [manifest]: '' }), { controlPlane: { value: true, source: manifest } });
});

t.test('no input makes them throw', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (noise) => {
      parseCertificates(noise);
      const encoded = Buffer.from(noise).toString('base64');
      parseCertificates(`-----BEGIN CERTIFICATE-----\n${encoded}\n-----END CERTIFICATE-----`);
      parseCertificates(`client-certificate-data: ${encoded}`);
      hasBootstrapToken(noise);
    }),
    SEED,
  );
  t.end();
});
