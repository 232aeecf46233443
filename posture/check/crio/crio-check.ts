import type { Crio, CrioSettingName } from '../../fact/crio.ts';
import type { Facts } from '../../fact/facts.ts';
import type { Observed } from '../../observed.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { judgeList } from '../judge-list.ts';
import { judgeRuntimeSetting } from '../runtime-setting.ts';

const CONFIG_MANUAL = 'https://github.com/cri-o/cri-o/blob/main/docs/crio.conf.5.md';
/** Where changes belong: a file that is read after those of the package. */
export const DROP_IN = '/etc/crio/crio.conf.d/99-local.conf';

/** What checks of CRI-O know. */
type Known = Pick<Facts, 'crio' | 'kernel' | 'kubelet'>;
type Text = Omit<RuleText, 'severityLevels'>;

/** A check of CRI-O that does not apply where it does not run. */
export function crioCheck({
  judge,
  reference = CONFIG_MANUAL,
  ...text
}: Text & {
  readonly judge: (crio: Crio, facts: Known) => Judgement;
  readonly reference?: string;
}): NodeCheck {
  return nodeCheck({
    judgedBy: 'configuration',
    ...text,
    references: [reference],
    judges: 'node',
    needs: ['crio', 'kernel', 'kubelet'],
    judge: (facts) => {
      const { crio } = facts;
      if (crio.state === 'unreadable') return unknownBecause(`${crio.source}: ${crio.reason}`);
      return crio.state === 'absent' ? notApplicable('CRI-O does not run on this host') : judge(crio.value, facts);
    },
  });
}

/** Judges a setting; where nothing sets it, `preset` counts. */
export function withSetting(
  crio: Crio,
  name: CrioSettingName,
  preset: string,
  judge: (value: string, seen: Omit<Evidence, 'expected'>) => Judgement,
): Judgement {
  return judgeRuntimeSetting(crio, { name, preset }, judge);
}

/** Passes where a setting has the value that is expected. */
export function expectValue(
  crio: Crio,
  { name, preset, expected }: { readonly name: CrioSettingName; readonly preset: string; readonly expected: string },
  problem: string,
): Judgement {
  return withSetting(crio, name, preset, (value, seen) =>
    value === expected ? pass({ ...seen, expected }) : fail(problem, { ...seen, expected }),
  );
}

/** Judges a list that was observed. */
export function judgeObserved<T>(
  observed: Observed<readonly T[]>,
  {
    failed,
    expected,
    reason,
  }: {
    readonly failed: (item: T) => readonly Evidence[];
    readonly expected: string;
    readonly reason: string;
  },
): Judgement {
  return judgeList({
    failed: observed.state === 'seen' ? observed.value.flatMap(failed) : [],
    unread: observed.state === 'unreadable' ? [`${observed.source}: ${observed.reason}`] : [],
    passed: { source: observed.source, seen: 'none', expected },
    reason,
  });
}

/** Where the security module is not active, its settings have no effect. */
export function whereSelinux({ kernel: { selinux } }: Known, judge: () => Judgement): Judgement {
  if (selinux.state === 'unreadable') return unknownBecause(`${selinux.source}: ${selinux.reason}`);
  return selinux.state === 'absent' || selinux.value === 'disabled'
    ? notApplicable('SELinux is not active on this host')
    : judge();
}
