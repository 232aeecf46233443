import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** What a probe of one listening TCP port found. Only the node's own addresses are probed. */
export const probeSchema = s.object({
  protocol: s.oneOf(['http', 'tls', 'other'], 'http: answered in clear text'),
  clientCertificate: s.oneOf(
    ['required', 'requested', 'notRequested', 'unknown'],
    'required: a client without one was refused; requested: asked for, but answered without',
  ),
  answer: s.string(
    'what a client without a certificate got: `HTTP 200 from /_ping`, `HTTP 401 from /healthz`, `alert 116`',
    256,
  ),
  versions: s.list(s.string('`TLSv1.2` …', 16), 'TLS versions that the port accepts', 8),
  weakCipherSuites: s.nullable(
    s.boolean(
      'true: TLS 1.2 accepts suites without forward secrecy or authenticated encryption; null: no TLS 1.2, or not known',
    ),
  ),
  certificate: s.nullable(
    s.object({
      subject: s.string('distinguished name of the subject', 1024),
      issuer: s.string('distinguished name of the issuer', 1024),
      notBeforeMs: s.integer('start of validity, milliseconds since 1970'),
      notAfterMs: s.integer('end of validity, milliseconds since 1970'),
      keyType: s.string('rsa, ec, ed25519 …', 32),
      keyBits: s.integer('size of the key in bits; 0 for types of one size'),
      selfSigned: s.boolean('true if the certificate is signed by its own key'),
    }),
    'server certificate; null without TLS',
  ),
});
/** See {@link probeSchema}. */
export type Probe = s.Infer<typeof probeSchema>;

/** A TCP port that a node service listens on, and what a probe of it found. */
export const listenerSchema = s.object(
  {
    service: s.oneOf(
      ['containerd', 'docker', 'etcd', 'etcdMetrics', 'streaming'],
      'whose port it is; streaming: the server of containerd or CRI-O for kubectl exec, attach and port-forward',
    ),
    id: s.string('`tcp:0.0.0.0:2376`', 128),
    address: s.string('bound address, `0.0.0.0`, `::`, `127.0.0.1`', 64),
    port: s.integer('TCP port number'),
    loopback: s.boolean('bound to loopback only'),
    pid: s.integer('process that owns the socket; 0 if unknown'),
    probe: observed(
      probeSchema,
      'what a connection without a client certificate found; absent: not probed, since it is bound to loopback',
    ),
  },
  'a listening TCP port of a node service',
);
/** See {@link listenerSchema}. */
export type ListenerFact = s.Infer<typeof listenerSchema>;

/** Ports of node services; unreadable where the owners of sockets are unknown. */
export const listenersSchema = observed(s.list(listenerSchema, '', 256), 'TCP ports of node services');
/** See {@link listenersSchema}. */
export type ListenersFact = s.Infer<typeof listenersSchema>;
