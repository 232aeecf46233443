import type { JudgedKeyword, SshContext, SshdFact } from '../../fact/sshd.ts';
import { fail, failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement, Severity } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { allOf } from '../combine.ts';
import { quote } from '../evidence-text.ts';

/** One effective setting: `value` is the first value in lower case, as sshd compares words; empty without a value. */
export interface SshSetting {
  readonly keyword: string;
  readonly values: readonly string[];
  readonly value: string;
  /** The deciding line and Match block: `/etc/ssh/sshd_config:12 (Match User deploy)`. */
  readonly source: string;
  /** ` for Match User deploy` where a Match block decides; otherwise empty. */
  readonly scope: string;
}

/**
 * A check of sshd under every condition: outside any Match, and inside each. The weakest decides. `keywords` as the
 * manual writes them; where one was not read, the answer is `unknown`. `optional` ones may be missing: no value then.
 */
export function sshCheck<const K extends JudgedKeyword, const M extends JudgedKeyword = never>({
  keywords,
  optional,
  judge,
  ...text
}: RuleText & {
  readonly keywords: readonly K[];
  readonly optional?: readonly M[];
  readonly judge: (settings: Readonly<Record<K | M, SshSetting>>) => Judgement;
}): NodeCheck {
  return nodeCheck({
    judgedBy: 'configuration',
    ...text,
    references: ['https://man.openbsd.org/sshd_config'],
    judges: 'sshd',
    needs: ['sshd'],
    judge: ({ sshd }) =>
      judgeContexts(sshd, text.severity, (context, global) => {
        const settings: Record<string, SshSetting> = {};
        for (const keyword of [...keywords, ...(optional ?? [])]) {
          const setting = settingOf(context, global, keyword);
          if (setting !== undefined) settings[keyword] = setting;
          else if (keywords.includes(keyword as K))
            return unknownBecause(`${keyword} could not be read from the configuration of sshd`);
          else settings[keyword] = { keyword, values: [], value: '', source: 'default', scope: '' };
        }
        return judge(settings as Record<K | M, SshSetting>);
      }),
  });
}

/** A check of one keyword. `milder` returns the severity of wrong values that do less harm. */
export function settingCheck({
  keyword,
  expected,
  accepts,
  milder,
  ...text
}: RuleText & {
  readonly keyword: JudgedKeyword;
  readonly expected: string;
  readonly accepts: (value: string) => boolean;
  readonly milder?: (value: string) => Severity | undefined;
}): NodeCheck {
  return sshCheck({
    ...text,
    keywords: [keyword],
    judge: (settings) => {
      const setting = settings[keyword];
      if (setting === undefined) return unknownBecause(`${keyword} could not be read`);
      const evidence = evidenceOf(setting, expected);
      if (accepts(setting.value)) return pass(evidence);
      const severity = milder?.(setting.value);
      const reason = inEffect(setting);
      return severity === undefined ? fail(reason, evidence) : failAs(severity, reason, evidence);
    },
  });
}

/** What a setting means, as a sentence: `sshd uses PermitRootLogin yes for Match User deploy`. */
export function inEffect(setting: SshSetting): string {
  const { seen } = evidenceOf(setting, '');
  return setting.values.length === 0 ? seen : `sshd uses ${seen}${setting.scope}`;
}

/** A setting as evidence: `PermitRootLogin yes`, at the line that decided. */
export function evidenceOf({ keyword, values, source }: SshSetting, expected: string): Evidence {
  return {
    source,
    seen: quote(values.length === 0 ? `${keyword} is not set` : `${keyword} ${values.join(' ')}`),
    expected,
  };
}

/** The judgement if no SSH server runs or is enabled; undefined if one does. */
export function withoutServer(present: SshdFact['present']): Judgement | undefined {
  if (present.state === 'absent') return notApplicable('no SSH server is installed on this host');
  if (present.state === 'unreadable') return unknownBecause(`${present.source}: ${present.reason}`);
  if (present.value === 'installed') return notApplicable('sshd is installed, but neither runs nor is enabled');
  return undefined;
}

type JudgeContext = (context: SshContext, global: SshContext) => Judgement;

function judgeContexts({ present, contexts }: SshdFact, severity: Severity, judge: JudgeContext): Judgement {
  const unserved = withoutServer(present);
  if (unserved !== undefined) return unserved;
  if (contexts.state === 'unreadable') return unknownBecause(`${contexts.source}: ${contexts.reason}`);
  const [global] = contexts.state === 'seen' ? contexts.value : [];
  if (contexts.state === 'absent' || global === undefined)
    return unknownBecause(`${contexts.source}: the configuration does not exist`);
  const judged = allOf(
    severity,
    contexts.value.map((context) => judge(context, global)),
  );
  if (present.state !== 'seen' || present.value !== 'enabled') return judged;
  const notRunning = {
    source: present.source,
    seen: 'sshd is enabled, but does not run',
    expected: 'judged by its configuration',
  };
  return { ...judged, evidence: [...judged.evidence, notRunning] };
}

/** A setting that a Match block leaves out keeps its global value. */
function settingOf(context: SshContext, global: SshContext, keyword: string): SshSetting | undefined {
  const name = keyword.toLowerCase();
  const outside = Object.hasOwn(global.settings, name) ? global.settings[name] : undefined;
  const setting = Object.hasOwn(context.settings, name) ? context.settings[name] : outside;
  if (setting === undefined) return undefined;
  const inherited = context.condition === '' || setting.source === outside?.source;
  const match = /^match\s/i.test(context.condition) ? context.condition : `Match ${context.condition}`;
  return {
    keyword,
    values: setting.values,
    value: (setting.values[0] ?? '').toLowerCase(),
    source: inherited ? setting.source : `${setting.source} (${quote(match)})`,
    scope: inherited ? '' : ` for ${quote(match)}`,
  };
}
