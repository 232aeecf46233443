import type { AuditFact, AuditRule, AuditRuleSet } from '../../../posture/fact/audit.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { mapBounded } from '../map-bounded.ts';
import { isFault, unseen } from '../read-text.ts';
import { readTrusted } from '../trusted-path.ts';
import { MAX_NOT_UNDERSTOOD, mergeRuleFiles, naturalOrder, parseRuleFile } from './rules.ts';
import type { RuleFile, WrittenRule, WrittenRules } from './rules.ts';
import { readTargets } from './targets.ts';

const RULES_DIRECTORY = '/etc/audit/rules.d';
const RULES_FILE = '/etc/audit/audit.rules';
/** The kernel has a proc_pid_loginuid(5) only where it is built with audit. */
const LOGIN_UID = '/proc/1/loginuid';
/** The rule sets for the strictest standards have some 100 KB. */
const MAX_RULE_BYTES = 512 * 1024;
const MAX_RULE_FILES = 256;
const RESOLVED_AT_A_TIME = 32;

/** Audit rules on disk, and what of Docker they should watch. */
export const auditInspector: Inspector<'audit'> = {
  fact: 'audit',
  needs: ['docker', 'files'],
  inspect: async ({ host }, { docker, files }): Promise<AuditFact> => {
    const [supported, rulesDirectory, rulesFile] = await Promise.all([
      host.stat(LOGIN_UID),
      readRulesDirectory(host),
      readRulesFile(host),
    ]);
    return {
      supported: supported.ok ? seen(true, LOGIN_UID) : unseen(supported, LOGIN_UID),
      rulesDirectory,
      rulesFile,
      targets: docker === undefined || files === undefined ? [] : await readTargets(host, docker, files),
    };
  },
  watches: () => [RULES_DIRECTORY, RULES_FILE],
};

async function readRulesDirectory(host: NodeAccess['host']): Promise<Observed<AuditRuleSet>> {
  const listed = await host.list(RULES_DIRECTORY, { maxEntries: MAX_RULE_FILES * 4 });
  if (!listed.ok) return unseen(listed, RULES_DIRECTORY);
  const names = listed.value.filter((name) => name.endsWith('.rules')).toSorted(naturalOrder);
  if (names.length === 0) return absent(`${RULES_DIRECTORY}/*.rules`);
  if (names.length > MAX_RULE_FILES) return unreadable(RULES_DIRECTORY, `more than ${String(MAX_RULE_FILES)} files`);
  const files: RuleFile[] = [];
  for (const name of names) {
    const path = `${RULES_DIRECTORY}/${name}`;
    const read = await readTrusted(host, path, MAX_RULE_BYTES);
    if (!read.ok) return unreadable(path, read.reason);
    files.push({ path, text: read.value.bytes.toString('utf8') });
  }
  return seen(await resolveRules(host, mergeRuleFiles(files)), `${RULES_DIRECTORY}/*.rules`);
}

async function readRulesFile(host: Host): Promise<Observed<AuditRuleSet>> {
  const read = await readTrusted(host, RULES_FILE, MAX_RULE_BYTES);
  if (!read.ok) return unseen(read, RULES_FILE);
  const written = parseRuleFile({ path: RULES_FILE, text: read.value.bytes.toString('utf8') });
  return seen(await resolveRules(host, written), RULES_FILE);
}

async function resolveRules(host: Host, { enabled, rules, notUnderstood }: WrittenRules): Promise<AuditRuleSet> {
  const resolved = await mapBounded(rules, RESOLVED_AT_A_TIME, (rule) => resolve(host, rule));
  // A rule that excludes something would exclude nothing without its path.
  const lost = rules.filter((_, index) => resolved[index] === undefined).map(({ source }) => source);
  return {
    enabled,
    notUnderstood: [...notUnderstood, ...lost].slice(0, MAX_NOT_UNDERSTOOD),
    rules: resolved.filter((rule) => rule !== undefined),
  };
}

/**
 * The path as the kernel takes it: for a directory all links are followed, for anything else those on the way but not
 * the last name, audit_watch.c. What lies in a directory that does not exist cannot be watched. undefined: what is at the
 * path cannot be read at the moment.
 */
async function resolve(host: Host, { kind, path: written, ...rule }: WrittenRule): Promise<AuditRule | undefined> {
  const namesPath = kind !== 'none';
  if (!namesPath) return { ...rule, path: '', namesPath, recursive: false };
  if (kind !== 'file') {
    const stat = await host.stat(written);
    if (isFault(stat)) return undefined;
    if (stat.ok && stat.value.kind === 'directory')
      return { ...rule, path: clip(stat.value.realPath, 4096), namesPath, recursive: true };
    if (kind === 'tree') return { ...rule, path: '', namesPath, recursive: true };
  }
  const slash = written.lastIndexOf('/');
  const parent = await host.stat(written.slice(0, slash) || '/');
  if (isFault(parent)) return undefined;
  const path = parent.ok ? `${parent.value.realPath === '/' ? '' : parent.value.realPath}${written.slice(slash)}` : '';
  return { ...rule, path: clip(path, 4096), namesPath, recursive: false };
}
