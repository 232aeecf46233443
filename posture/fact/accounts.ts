import { observed } from '../observed.ts';
import * as s from '../schema.ts';

/** A public key that may log in. Comments and the values of options are not kept: they can hold anything. */
export const authorizedKeySchema = s.object(
  {
    type: s.string('`ssh-ed25519`, `ssh-rsa` …', 64),
    bits: s.integer('size of the key in bits'),
    fingerprint: s.string('`SHA256:…`, as ssh-keygen prints it', 64),
    options: s.list(s.string('name of an option: `from`, `command`, `restrict` …', 32), '', 64),
    path: s.string('file that contains the key', 4096),
  },
  'a public key that may log in',
);
/** See {@link authorizedKeySchema}. */
export type AuthorizedKey = s.Infer<typeof authorizedKeySchema>;

/** A file or directory on the way to the keys of an account that somebody else can change. */
export const openPathSchema = s.object({
  path: s.string('file or directory', 4096),
  reason: s.string('who can change it: `writable by its group`, `owned by uid 1001`', 256),
});

/** A private key below the `.ssh` directory of an account. */
export const privateKeySchema = s.object({
  path: s.string('file that contains the key', 4096),
  encrypted: s.boolean('true if it needs a passphrase'),
});

/** An account of `/etc/passwd`. */
export const accountSchema = s.object(
  {
    name: s.string('user name', 256),
    uid: s.integer('user id'),
    gid: s.integer('id of the primary group'),
    home: s.string('home directory', 4096),
    shell: s.string('login shell; empty means `/bin/sh`', 4096),
    canLogin: s.boolean('false: its shell refuses logins (`nologin`, `false` …)'),
    authorizedKeys: observed(s.list(authorizedKeySchema, '', 256), 'keys that sshd accepts for the account'),
    openPaths: s.list(openPathSchema, 'on the way to its keys, what others can change', 32),
    privateKeys: observed(s.list(privateKeySchema, '', 64), 'private keys below its `.ssh` directory, by content'),
    trustFiles: observed(s.list(s.string('', 4096), '', 4), '`.rhosts` and `.shosts` that exist in its home directory'),
  },
  'an account of the node',
);
/** See {@link accountSchema}. */
export type Account = s.Infer<typeof accountSchema>;

/** The accounts of the node and the SSH keys that are theirs. Passwords and sudo are not read. */
export const accountsSchema = s.object(
  {
    users: observed(s.list(accountSchema, '', 1024), 'accounts, `/etc/passwd`'),
    groups: observed(
      s.list(
        s.object({
          name: s.string('group name', 256),
          gid: s.integer('group id'),
          members: s.list(s.string('user name', 256), '', 1024),
        }),
        '',
        1024,
      ),
      'groups, `/etc/group`',
    ),
    systemUidMax: s.integer('highest user id of system accounts, `/etc/login.defs`'),
  },
  'accounts of the node',
);
/** See {@link accountsSchema}. */
export type AccountsFact = s.Infer<typeof accountsSchema>;
