import type { KernelFact, SysctlName } from '../../fact/kernel.ts';
import type { Observed } from '../../observed.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { allOf } from '../combine.ts';
import { quote } from '../evidence-text.ts';

/** The required value of one sysctl. */
export interface SysctlRule {
  readonly name: SysctlName;
  /** For people: `1 or 2`. */
  readonly expected: string;
  readonly accepts: (value: number) => boolean;
  /** The verdict without this sysctl. A kernel lacks the switch together with the feature, or is older than the switch. */
  readonly whenAbsent: 'fail' | { readonly notApplicable: string };
}

/** The texts of a sysctl check and its rules; every rule must hold. */
export interface SysctlCheckText extends RuleText {
  readonly reference?: string;
  readonly rules: readonly SysctlRule[];
}

/** A check of live sysctl values, not of files below /etc. */
export function sysctlCheck({ rules, reference, ...text }: SysctlCheckText): NodeCheck {
  return nodeCheck({
    judgedBy: 'effect',
    ...text,
    references: [reference ?? 'https://docs.kernel.org/admin-guide/sysctl/kernel.html'],
    judges: 'node',
    needs: ['kernel'],
    judge: ({ kernel }) =>
      allOf(
        text.severity,
        rules.map((rule) => judgeSysctl(kernel, rule)),
      ),
  });
}

/** The live value of a sysctl. One that the fact lacks was not read, which is not the same as absent. */
export function sysctlOf(kernel: KernelFact, name: SysctlName): Observed<string> {
  const source = `/proc/sys/${name.replaceAll('.', '/')}`;
  return Object.hasOwn(kernel.sysctls, name)
    ? (kernel.sysctls[name] ?? { state: 'unreadable', source, reason: 'it was not read' })
    : { state: 'unreadable', source, reason: 'it was not read' };
}

/** Judges one sysctl by its rule. */
export function judgeSysctl(kernel: KernelFact, rule: SysctlRule): Judgement {
  const live = sysctlOf(kernel, rule.name);
  switch (live.state) {
    case 'unreadable':
      return unknownBecause(`${live.source}: ${live.reason}`);
    case 'absent': {
      const evidence = { source: live.source, seen: 'this kernel has no such setting', expected: rule.expected };
      return rule.whenAbsent === 'fail'
        ? fail(`this kernel has no setting ${rule.name}`, evidence)
        : notApplicable(rule.whenAbsent.notApplicable, evidence);
    }
    case 'seen': {
      const text = live.value.trim();
      const evidence = {
        source: live.source,
        seen: `${rule.name} = ${quote(text)}`,
        expected: rule.expected,
      };
      if (!/^-?\d{1,15}$/.test(text)) return unknownBecause(`${live.source} does not hold a number`, evidence);
      return rule.accepts(Number(text))
        ? pass(evidence)
        : fail(`${rule.name} is ${text}; expected: ${rule.expected}`, evidence);
    }
  }
}
