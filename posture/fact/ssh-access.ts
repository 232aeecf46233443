import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** A key with which the SSH server proves which host it is. */
export const hostKeySchema = s.object({
  path: s.string('private key, as the configuration names it', 4096),
  type: s.string('`ssh-ed25519`, `ssh-rsa` …', 64),
  bits: s.integer('size of the key in bits'),
  fingerprint: s.string('`SHA256:…`, as ssh-keygen prints it; the same on two hosts: a copied image', 64),
  modifiedAtMs: s.integer('last change of the file, milliseconds since 1970'),
});

/** A session of the SSH server. */
export const sshSessionSchema = s.object({
  user: s.string('user name', 256),
  startedAtMs: s.integer('milliseconds since 1970; 0: not known'),
  pid: s.integer('process that serves it'),
});

/** How the SSH server of the node is reached, and who is logged in. */
export const sshAccessSchema = s.object(
  {
    hostKeys: observed(s.list(hostKeySchema, '', 16), 'host keys; absent where there is no SSH server'),
    installedAtMs: observed(s.integer(), 'when the node got its identity: last change of `/etc/machine-id`'),
    moduli: observed(
      s.object({
        count: s.integer('groups for Diffie-Hellman'),
        weak: s.integer('those of fewer than 3071 bits'),
        smallestBits: s.integer('bits of the smallest'),
      }),
      'groups for Diffie-Hellman group exchange, `/etc/ssh/moduli`',
    ),
    sockets: observed(
      s.list(s.object({ address: s.string('bound address', 64), port: s.integer('TCP port number') }), '', 64),
      'where sshd listens',
    ),
    publicAddresses: observed(
      s.list(s.string('', 64), '', 64),
      'addresses of the node that are routed on the internet',
    ),
    sessions: observed(s.list(sshSessionSchema, '', 256), 'sessions at the time of the sweep'),
    trustFiles: observed(s.list(s.string('', 256), '', 4), '`/etc/hosts.equiv` and `shosts.equiv` that exist'),
  },
  'how the SSH server is reached',
);
/** See {@link sshAccessSchema}. */
export type SshAccessFact = s.Infer<typeof sshAccessSchema>;
