import type { AuditFact, AuditRule, AuditRuleSet, AuditTarget, AuditTargetName } from '../../fact/audit.ts';
import type { Facts } from '../../fact/facts.ts';
import type { Observed } from '../../observed.ts';
import { fail, notApplicable, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement, Severity } from '../../verdict.ts';
import { allOf } from '../combine.ts';
import { quote } from '../evidence-text.ts';

type Needed = Pick<Facts, 'audit' | 'kernel' | 'node'>;

/** Writing, and changing owner, mode or other attributes. */
const NEEDED_PERMISSIONS = ['w', 'a'];

/**
 * Do the audit rules on disk watch everything that is `target`? A failure is certain: the kernel cannot audit, or no
 * rule that is loaded at start covers the target. There is no pass, since the rules that the kernel has loaded are not
 * read: `unknown` with the rule then.
 */
export function judgeTarget({ audit, kernel, node }: Needed, target: AuditTargetName, severity: Severity): Judgement {
  const wanted = audit.targets.filter((entry) => entry.target === target);
  const existing = wanted.filter(({ real }) => real.state === 'seen');
  const hidden = wanted.find(({ real }) => real.state === 'unreadable');
  if (existing.length === 0 && hidden !== undefined) return unknownBecause(unreadText(hidden.real));
  if (existing.length === 0) return notApplicable('it does not exist on this host');
  const switchedOff = kernelWithoutAudit(audit, kernel);
  if (switchedOff !== undefined) return switchedOff;
  const isWide = node.architecture === 'x86_64';
  const parts = existing.flatMap((entry) => setsOf(audit).map((set) => judgeSet(set, entry, isWide)));
  return allOf(severity, hidden === undefined ? parts : [...parts, unknownBecause(unreadText(hidden.real))]);
}

function unreadText(observed: Observed<unknown>): string {
  return observed.state === 'unreadable' ? `${observed.source}: ${observed.reason}` : `${observed.source} is absent`;
}

function kernelWithoutAudit({ supported }: AuditFact, { commandLine }: Facts['kernel']): Judgement | undefined {
  if (supported.state === 'absent')
    return fail('the kernel is built without audit', {
      source: supported.source,
      seen: 'does not exist',
      expected: 'a kernel with audit',
    });
  const value = commandLine.state === 'seen' ? commandLine.value['audit'] : undefined;
  if (value !== '0' && value !== 'off') return undefined;
  return fail('the kernel was booted with audit disabled, which lasts until the next boot', {
    source: commandLine.source,
    seen: `audit=${value}`,
    expected: 'audit=1, or no parameter audit',
  });
}

/** Rules must be in the file that is loaded at start, and in the directory from which augenrules writes it anew. */
function setsOf({ rulesDirectory, rulesFile }: AuditFact): readonly Observed<AuditRuleSet>[] {
  return rulesDirectory.state === 'absent' ? [rulesFile] : [rulesDirectory, rulesFile];
}

function judgeSet(set: Observed<AuditRuleSet>, entry: AuditTarget, isWide: boolean): Judgement {
  const { path } = entry;
  const expected = `a rule that records writes and changes of attributes of ${path}`;
  if (set.state === 'unreadable') return unknownBecause(unreadText(set));
  if (set.state === 'absent')
    return fail(`no audit rule watches ${path}`, { source: set.source, seen: 'does not exist', expected });
  const { source } = set;
  const { enabled, rules, notUnderstood } = set.value;
  if (enabled === 0)
    return fail('the audit rules switch audit off', { source, seen: '-e 0', expected: 'no -e, -e 1 or -e 2' });
  const noTask = rules.find((rule) => rule.action === 'never' && rule.list === 'task' && rule.conditions.length === 0);
  if (noTask !== undefined)
    return fail('a rule exempts all processes from audit', ruleEvidence(noTask, 'no rule never,task'));
  const coverage = coverageOf(rules, entry, isWide);
  switch (coverage.state) {
    case 'complete':
      return unknownBecause(
        `a rule on disk watches ${path}; whether the kernel has loaded it is not read: compare with auditctl -l`,
        ...coverage.rules.map((rule) => ruleEvidence(rule, expected)),
      );
    case 'exempt':
      return fail(`a rule exempts ${path} from audit`, ruleEvidence(coverage.rule, expected));
    case 'partial':
    case 'none': {
      if (notUnderstood.length > 0)
        return unknownBecause(`${notUnderstood[0] ?? source} is not understood, and may be about ${path}`);
      const { partial } = coverage;
      if (partial === undefined)
        return fail(`no audit rule watches ${path}`, { source, seen: 'no such rule', expected });
      return fail(`a rule watches ${path} only in part: ${partial.problem}`, ruleEvidence(partial.rule, expected));
    }
  }
}

type Coverage =
  | { readonly state: 'complete'; readonly rules: readonly AuditRule[] }
  | { readonly state: 'exempt'; readonly rule: AuditRule }
  | { readonly state: 'partial' | 'none'; readonly partial?: { readonly rule: AuditRule; readonly problem: string } };

/** The first rule that matches decides, auditctl(8). */
function coverageOf(rules: readonly AuditRule[], entry: AuditTarget, isWide: boolean): Coverage {
  const widths = new Map<AuditRule['architecture'], AuditRule>();
  let partial: { readonly rule: AuditRule; readonly problem: string } | undefined;
  for (const rule of rules) {
    if (rule.list !== 'exit') continue;
    if (rule.action === 'never') {
      const isGeneral = rule.syscalls.length + rule.conditions.length === 0 && rule.architecture === 'all';
      if (isGeneral && (!rule.namesPath || covers(rule, entry))) return { state: 'exempt', rule };
      continue;
    }
    if (!covers(rule, entry)) continue;
    const problem = gapOf(rule);
    if (problem !== undefined) {
      partial ??= { rule, problem };
      continue;
    }
    if (!widths.has(rule.architecture)) widths.set(rule.architecture, rule);
    const all = widths.get('all');
    if (all !== undefined) return { state: 'complete', rules: [all] };
    const isComplete = widths.has('b64') && (widths.has('b32') || !isWide);
    if (isComplete) return { state: 'complete', rules: [...widths.values()] };
  }
  const [one] = widths.values();
  if (one === undefined) return partial === undefined ? { state: 'none' } : { state: 'partial', partial };
  const other = one.architecture === 'b64' ? '32' : '64';
  return { state: 'partial', partial: { rule: one, problem: `${other}-bit system calls are not recorded` } };
}

/** Does the rule watch the target as a whole? A directory needs a rule for all that is below it. */
function covers({ path, namesPath, recursive }: AuditRule, { real }: AuditTarget): boolean {
  if (real.state !== 'seen' || !namesPath || path === '') return false;
  if (recursive) return path === real.value.path || real.value.path.startsWith(path === '/' ? '/' : `${path}/`);
  return path === real.value.path && !real.value.isDirectory;
}

/** What a rule leaves out; undefined: nothing. */
function gapOf({ permissions, conditions, syscalls }: AuditRule): string | undefined {
  if (permissions !== '' && NEEDED_PERMISSIONS.some((letter) => !permissions.includes(letter)))
    return `it records only the kinds of access ${permissions}`;
  if (conditions.length > 0) return `it records only where ${conditions.join(' and ')}`;
  return syscalls.length > 0 ? `it records only the system calls ${syscalls.join(', ')}` : undefined;
}

function ruleEvidence({ source, text }: AuditRule, expected: string): Evidence {
  return { source, seen: quote(text), expected };
}
