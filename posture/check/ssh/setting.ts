import type { JudgedKeyword, SshContext, SshdFact } from '../../fact/sshd.ts';
import { fail, failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement, Severity } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { allOf } from '../combine.ts';
import { quote } from '../evidence-text.ts';

/** One effective setting: `value` is the first value in lower case, as sshd compares words; empty where there is none. */
export interface SshSetting {
  readonly keyword: string;
  readonly values: readonly string[];
  readonly value: string;
  /** The deciding line, and the Match block where that decides: `/etc/ssh/sshd_config:12 (Match User deploy)`. */
  readonly source: string;
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
            return unknownBecause(`what ${keyword} is was not read from the configuration of sshd`);
          else settings[keyword] = { keyword, values: [], value: '', source: 'default' };
        }
        return judge(settings as Record<K | M, SshSetting>);
      }),
  });
}

/** A check of one keyword. `milder` gives the severity of values that are wrong but do less harm. */
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
      if (setting === undefined) return unknownBecause(`${keyword} was not read`);
      const evidence = evidenceOf(setting, expected);
      if (accepts(setting.value)) return pass(evidence);
      const severity = milder?.(setting.value);
      return severity === undefined ? fail(evidence) : failAs(severity, evidence);
    },
  });
}

/** A setting as evidence: `PermitRootLogin yes`, at the line that decided. */
export function evidenceOf({ keyword, values, source }: SshSetting, expected: string): Evidence {
  return {
    source,
    seen: quote(values.length === 0 ? `${keyword} is not set` : `${keyword} ${values.join(' ')}`),
    expected,
  };
}

/** The answer where no SSH server runs or is enabled; undefined: one does. */
export function withoutServer(present: SshdFact['present']): Judgement | undefined {
  if (present.state === 'absent') return notApplicable('no SSH server is on this node');
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
    return unknownBecause(`${contexts.source}: there is no configuration to read`);
  return allOf(
    severity,
    contexts.value.map((context) => judge(context, global)),
  );
}

/** What a Match block does not set stays as it is outside. */
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
  };
}
