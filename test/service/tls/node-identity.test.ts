import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import t from 'tap';
import { nodeIdentity } from '../../../service/tls/node-identity.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';

/** Certificates as an authority of ours would never issue them, and as others may. */
async function certificate(names: readonly { type: 'url' | 'dns' | 'email'; value: string }[], ca = false) {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=spiffe://plimsoll.local/host/from-the-subject',
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(ca),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension([...names])] : []),
    ],
  });
  return new Uint8Array(made.rawData);
}

const node = (id: string): { type: 'url'; value: string } => ({
  type: 'url',
  value: `spiffe://plimsoll.local/host/${id}`,
});

await t.test('one URI name of our trust domain', async (t) => {
  t.match(nodeIdentity(await certificate([node('web-3.example_A')])), { ok: true, nodeId: 'web-3.example_A' });
  const beside = [{ type: 'dns', value: 'web-3' } as const, node('n1')];
  t.match(nodeIdentity(await certificate(beside)), { ok: true, nodeId: 'n1' }, 'other names do not matter');
  const ours = await issueCertificate(
    { kind: 'node', nodeId: '3b1c9f6e0d4a4c0c8f6e7a5b2d1c0e9f' },
    await issueCertificate({ kind: 'authority' }, undefined, Date.now()),
    Date.now(),
  );
  const { raw } = new X509Certificate(ours.certificatePem);
  t.match(nodeIdentity(raw), { ok: true, nodeId: '3b1c9f6e0d4a4c0c8f6e7a5b2d1c0e9f' });
});

await t.test('a Kubernetes node: one URI with cluster and uid, one DNS name', async (t) => {
  const uid = '8b36d0d1-dc08-48e1-9c5b-6e68c9eed821';
  const uri = (value: string) => ({ type: 'url', value: `spiffe://plimsoll.local/cluster/${value}` }) as const;
  const dns = (value: string) => ({ type: 'dns', value }) as const;
  const named = [uri(`prod-1/node/${uid}`), dns('ip-10-0-0-1.eu.internal')];
  const expected = { ok: true, nodeId: uid, clusterId: 'prod-1', nodeName: 'ip-10-0-0-1.eu.internal' };
  t.match(nodeIdentity(await certificate(named)), expected);
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const { nodeId, clusterId, nodeName } = expected;
  const issued = await issueCertificate({ kind: 'node', nodeId, clusterId, nodeName }, authority, Date.now());
  t.match(nodeIdentity(new X509Certificate(issued.certificatePem).raw), expected);
  t.match(nodeIdentity(await certificate([node(nodeId)])), { clusterId: '', nodeName: '' });
  const wrong = [
    ['no name', [uri(`prod-1/node/${uid}`)]],
    ['two names', [...named, dns('other')]],
    ['not a uid', [uri('prod-1/node/web-1'), dns('web-1')]],
    ['capitals in the uid', [uri(`prod-1/node/${uid.toUpperCase()}`), dns('web-1')]],
    ['no cluster', [uri(`/node/${uid}`), dns('web-1')]],
    ['dots as cluster', [uri(`../node/${uid}`), dns('web-1')]],
    ['deeper', [uri(`prod-1/node/${uid}/x`), dns('web-1')]],
    ['a host as well', [...named, node('n1')]],
  ] as const;
  for (const [name, names] of wrong) t.match(nodeIdentity(await certificate(names)), { ok: false }, name);
});

await t.test('everything else is no node', async (t) => {
  const spiffe = (value: string): { type: 'url'; value: string } => ({ type: 'url', value });
  const cases = [
    ['no names', []],
    ['two nodes', [node('n1'), node('n2')]],
    ['a second URI', [node('n1'), spiffe('https://example.org/')]],
    ['another trust domain', [spiffe('spiffe://other.local/host/n1')]],
    ['a prefix of ours', [spiffe('spiffe://plimsoll.local.evil/host/n1')]],
    ['another kind', [spiffe('spiffe://plimsoll.local/node/n1')]],
    ['no id', [spiffe('spiffe://plimsoll.local/host/')]],
    ['deeper', [node('n1/n2')]],
    ['dots', [node('..')]],
    ['one dot', [node('.')]],
    ['percent-encoded', [node('n%31')]],
    ['a query', [node('n1?x')]],
    ['too long', [node('n'.repeat(201))]],
    ['capitals in the scheme', [spiffe('SPIFFE://plimsoll.local/host/n1')]],
    ['a DNS name that looks like two names', [{ type: 'dns', value: 'x, URI:spiffe://plimsoll.local/host/n1' }]],
    ['the URI as an e-mail address', [{ type: 'email', value: 'spiffe://plimsoll.local/host/n1' }]],
  ] as const;
  for (const [name, names] of cases) t.match(nodeIdentity(await certificate(names)), { ok: false }, name);
  t.match(nodeIdentity(await certificate([node('n1')], true)), { ok: false, problem: /authority/ });
  t.match(nodeIdentity(undefined), { ok: false, problem: /no verified client certificate/ });
});
