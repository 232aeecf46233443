import { isUtf8 } from 'node:buffer';
import { posix } from 'node:path';
import { redactJson, redactText, redactWords } from '../../posture/redaction/redact.ts';
import { REDACTED } from '../../posture/redaction/secret-name.ts';
import { CRIO_VARIABLES } from '../inspector/crio/config.ts';
import { parseBootParameters } from '../inspector/kernel/boot-parameters.ts';

/**
 * Files that are secrets as a whole: password hashes, private keys, stores of credentials, at any path. What is
 * in `.ssh` has names that its user chose.
 */
const NEVER_RECORDED =
  /^\/boot\/grub2?\/\w+\.cfg$|\/\.ssh\/|\/(?:g?shadow-?|master\.passwd|opasswd|ssh_host_[^/]*_key|id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|\.netrc|\.pgpass|\.git-credentials|\.dockercfg|krb5\.keytab|kubeconfig|(?:super-)?admin\.conf)$|\/\.(?:docker\/config\.json|aws\/credentials|kube\/config)$|[/._-](?:key\.pem|privkey\d*\.pem|key|ppk|p12|pfx|jks|keystore|kdbx|keytab)$/i;

/** What the environment of a process is read for; every other value in it is taken out. */
const KEPT_VARIABLES: ReadonlySet<string> = new Set([
  ...CRIO_VARIABLES,
  'DOCKER_CERT_PATH',
  'DOCKER_CONFIG',
  'DOCKER_TLS_VERIFY',
]);

/** Marks that are in the second field of /etc/passwd and /etc/group instead of a hash. */
const NO_HASH = /^(?:[x*!]{0,3}|NP|\*LK\*)$/;

/**
 * The content of a file of the node as it may be written down; undefined for one that must not be at all. The very same
 * bytes come back where there is nothing to hide.
 */
export function redactFile(path: string, bytes: Buffer): Buffer | undefined {
  const plain = posix.normalize(path);
  if (NEVER_RECORDED.test(plain)) return undefined;
  // Byte for byte where it is not UTF-8: the patterns are ASCII, and no byte may be lost.
  const encoding = isUtf8(bytes) ? 'utf8' : 'latin1';
  const text = bytes.toString(encoding);
  const redacted = redactByPath(plain, text);
  return redacted === text ? bytes : Buffer.from(redacted, encoding);
}

function redactByPath(path: string, text: string): string {
  if (path === '/proc/cmdline') return keptBootParameters(text);
  if (/^\/proc\/[^/]+\/(?:task\/[^/]+\/)?environ$/.test(path)) return redactEnvironment(text);
  if (/^\/proc\/[^/]+\/(?:task\/[^/]+\/)?cmdline$/.test(path)) return redactWords(text.split('\0')).join('\0');
  if (/\/etc\/(?:passwd|group)-?$/.test(path)) return redactAccounts(text);
  if (/\/(?:containerd|certs\.d|rancher)\/.*\.(?:toml|yaml)$/.test(path))
    return redactDocument(withoutRegistryAuth(text));
  return redactDocument(text);
}

/** `auth = "…"` of a registry is a user name and password in base64. */
function withoutRegistryAuth(text: string): string {
  return text.replaceAll(
    /^([ \t]*["']?(?:auth|identitytoken|password)["']?[ \t]*[=:][ \t]*)(?![ \t]*$).+$/gm,
    `$1"${REDACTED}"`,
  );
}

/** A JSON document keeps its form; everything else is text. */
function redactDocument(text: string): string {
  if (!/^\uFEFF?\s*[[{]/.test(text)) return redactText(text);
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    return redactText(text);
  }
  const before = JSON.stringify(value);
  const redacted = redactJson(value);
  return JSON.stringify(redacted) === before ? text : `${JSON.stringify(redacted, null, 2)}\n`;
}

/** Only the parameters that the kernel fact keeps, see there: others may be keys of disks or of installers. */
function keptBootParameters(text: string): string {
  const kept: string[] = [];
  for (const [word] of text.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)) {
    if (word === '--') break;
    if (Object.keys(parseBootParameters(word)).length > 0) kept.push(word);
  }
  return `${kept.join(' ')}\n`;
}

function redactEnvironment(text: string): string {
  const entries = text.split('\0').map((entry) => {
    const equals = entry.indexOf('=');
    // The end of the memory, and whatever a program wrote over it: not an entry, so nothing that is read.
    if (equals <= 0) return '';
    const name = entry.slice(0, equals);
    return KEPT_VARIABLES.has(name) ? redactText(entry) : `${redactText(name)}=${REDACTED}`;
  });
  return entries.join('\0');
}

function redactAccounts(text: string): string {
  const lines = text.split('\n').map((line) => {
    const [name = '', hash = '', ...others] = line.split(':');
    return others.length === 0 || NO_HASH.test(hash) ? line : [name, REDACTED, ...others].join(':');
  });
  return redactText(lines.join('\n'));
}
