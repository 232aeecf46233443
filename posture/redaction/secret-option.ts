/** How a program takes a secret on its command line. */
export interface SecretOptions {
  /** Only after this word: `docker login -p`, but not `docker run -p`. */
  readonly after?: string;
  /** Options with one letter whose value is a secret, in the same word or in the next: `-p`. */
  readonly letters?: string;
  /** Like `letters`, but only in the same word: `7z -pPASSWORD`, while the next word of `-p` is something else. */
  readonly glued?: string;
  /** Options whose value is `user:password`, or `user%password`: `curl -u`. */
  readonly accounts?: readonly string[];
  /** Options whose value is a secret, and whose name does not say so. */
  readonly options?: readonly string[];
  /** Position of a secret among the words behind `after`, or behind the program, that are no options; -1: the last. */
  readonly operand?: number;
}

const MYSQL: SecretOptions = { letters: 'p' };
const MONGO: SecretOptions = { letters: 'p' };
const LDAP: SecretOptions = { letters: 'w' };
const LOGIN: SecretOptions = { after: 'login', letters: 'p' };
const CREDENTIALS = ['--creds', '--src-creds', '--dest-creds'];

/**
 * Programs that take a secret by an option whose name does not say so, from their own manuals. Options that are named
 * after what they take, `--password`, need no entry.
 */
export const SECRET_OPTIONS: ReadonlyMap<string, readonly SecretOptions[]> = new Map<string, readonly SecretOptions[]>([
  ...[
    'mysql',
    'mysqladmin',
    'mysqlcheck',
    'mysqldump',
    'mysqlimport',
    'mysqlsh',
    'mysqlshow',
    'mysqlslap',
    'mysql_upgrade',
    'mariadb',
    'mariadb-admin',
    'mariadb-dump',
    'mycli',
    'xtrabackup',
  ].map((name): [string, readonly SecretOptions[]] => [name, [MYSQL]]),
  ...['mongo', 'mongosh', 'mongodump', 'mongorestore', 'mongoexport', 'mongoimport', 'mongostat'].map(
    (name): [string, readonly SecretOptions[]] => [name, [MONGO]],
  ),
  ...['ldapsearch', 'ldapadd', 'ldapmodify', 'ldapdelete', 'ldapwhoami', 'ldapcompare'].map(
    (name): [string, readonly SecretOptions[]] => [name, [LDAP]],
  ),
  ['ldappasswd', [{ letters: 'wsa' }]],
  ['sshpass', [{ letters: 'p' }]],
  ['redis-cli', [{ letters: 'a', options: ['--pass'] }]],
  ['valkey-cli', [{ letters: 'a', options: ['--pass'] }]],
  ['redis-benchmark', [{ letters: 'a' }]],
  ['keydb-cli', [{ letters: 'a' }]],
  [
    'curl',
    [
      {
        letters: 'b',
        accounts: ['-u', '--user', '-U', '--proxy-user', '-E', '--cert'],
        options: ['--oauth2-bearer', '--pass'],
      },
    ],
  ],
  ['http', [{ accounts: ['-a', '--auth'] }]],
  ['https', [{ accounts: ['-a', '--auth'] }]],
  ['ab', [{ accounts: ['-A', '-P'], letters: 'C' }]],
  ['docker', [LOGIN]],
  ['podman', [LOGIN, { accounts: CREDENTIALS }]],
  ['nerdctl', [LOGIN]],
  ['buildah', [LOGIN, { accounts: CREDENTIALS }]],
  ['skopeo', [LOGIN, { accounts: CREDENTIALS }]],
  ['crictl', [{ accounts: CREDENTIALS, options: ['--auth'] }]],
  ['ctr', [{ accounts: ['-u', '--user'] }]],
  ['oras', [LOGIN]],
  ['helm', [LOGIN]],
  ['oc', [LOGIN]],
  ['az', [LOGIN]],
  ['argocd', [{ after: 'login', options: ['--password'] }]],
  ['vault', [{ after: 'login', operand: -1 }]],
  ['etcdctl', [{ accounts: ['--user'] }]],
  ['smbclient', [{ accounts: ['-U', '--user'] }]],
  ['rpcclient', [{ accounts: ['-U'] }]],
  ['winexe', [{ accounts: ['-U'] }]],
  ['lftp', [{ accounts: ['-u'] }]],
  ['svn', [{ options: ['--password'] }]],
  ['p4', [{ letters: 'P' }]],
  ['sqlcmd', [{ letters: 'P' }]],
  ['bcp', [{ letters: 'P' }]],
  ['tsql', [{ letters: 'P' }]],
  ['isql', [{ letters: 'P' }]],
  ['cqlsh', [{ letters: 'p' }]],
  ['influx', [{ letters: 't' }]],
  ['clickhouse-client', [{ options: ['--password'] }]],
  ['mosquitto_pub', [{ letters: 'P' }]],
  ['mosquitto_sub', [{ letters: 'P' }]],
  ['ipmitool', [{ letters: 'P' }]],
  ['snmpget', [{ letters: 'cAX' }]],
  ['snmpwalk', [{ letters: 'cAX' }]],
  ['snmpset', [{ letters: 'cAX' }]],
  ['ssh-keygen', [{ letters: 'NP' }]],
  ['openssl', [{ options: ['-k', '-K', '-pass', '-passin', '-passout', '-password'] }]],
  ['gpg', [{ options: ['--passphrase'] }]],
  ['zip', [{ letters: 'P' }]],
  ['unzip', [{ letters: 'P' }]],
  ['7z', [{ glued: 'p' }]],
  ['7za', [{ glued: 'p' }]],
  ['rar', [{ glued: 'p' }, { options: ['-hp'] }]],
  ['unrar', [{ glued: 'p' }]],
  [
    'keytool',
    [{ options: ['-storepass', '-keypass', '-srcstorepass', '-deststorepass', '-srckeypass', '-destkeypass'] }],
  ],
  ['useradd', [{ letters: 'p' }]],
  ['usermod', [{ letters: 'p' }]],
  ['htpasswd', [{ after: '-b', operand: -1 }]],
  [
    'rabbitmqctl',
    [
      { after: 'add_user', operand: 1 },
      { after: 'change_password', operand: 1 },
    ],
  ],
  ['wpa_passphrase', [{ operand: 1 }]],
  ['twine', [{ letters: 'p' }]],
  ['xfreerdp', [{ glued: '/p:' }]],
  ['rdesktop', [{ letters: 'p' }]],
  [
    'mc',
    [
      { after: 'set', operand: 3 },
      { after: 'add', operand: 3 },
    ],
  ],
]);

/** Options that make a program read a secret from its standard input. */
export const READING_OPTION = /^--(?:password-stdin|passphrase-fd|with-token|pass-stdin|token-stdin|stdin)$/;
/** Programs that read a password from their standard input. */
export const READING_PROGRAM =
  /^(?:\/(?:usr\/)?(?:local\/)?s?bin\/)?(?:chpasswd|passwd|smbpasswd|kinit|vncpasswd|saslpasswd2|cryptsetup)$/;
