import type { DockerApi, DockerFact } from '../../fact/docker.ts';
import { mapObserved, seen } from '../../observed.ts';
import type { Observed } from '../../observed.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { configuredValueOf } from './configured-value.ts';
import type { SettingName, ConfiguredValue } from './configured-value.ts';

/** The value of a setting in the running daemon, and its text for people. */
export interface Live {
  readonly values: readonly string[];
  readonly seen: string;
}

/** The required value of one dockerd setting, and where to read it. */
export interface SettingRule extends SettingName {
  /** The built-in value; null where dockerd chooses it at start. */
  readonly whenUnset: readonly string[] | null;
  readonly expected: string;
  /** What it means that the setting is not as expected. */
  readonly problem: string;
  readonly accepts: (values: readonly string[]) => boolean;
  /** The value in the running daemon; undefined where this engine does not report it. */
  readonly live?: (docker: DockerFact) => Observed<Live> | undefined;
}

/** The texts of a daemon check. */
export interface DaemonCheckText extends RuleText {
  readonly reference?: string;
}

/** A check of one setting of dockerd. */
export function settingCheck({ rule, ...text }: DaemonCheckText & { readonly rule: SettingRule }): NodeCheck {
  return daemonCheck({ ...text, judge: (docker) => judgeSetting(docker, rule) });
}

/** A check of dockerd that does not apply where Docker is absent. */
export function daemonCheck({
  judge,
  reference,
  ...text
}: DaemonCheckText & { readonly judge: (docker: DockerFact) => Judgement }): NodeCheck {
  return nodeCheck({
    judgedBy: 'effect',
    ...text,
    references: [reference ?? 'https://docs.docker.com/reference/cli/dockerd/'],
    judges: 'docker',
    needs: ['docker'],
    judge: ({ docker }) => withoutDocker(docker) ?? judge(docker),
  });
}

/** The judgement where Docker is absent; undefined where it is there. */
export function withoutDocker({ present }: DockerFact): Judgement | undefined {
  return present.state === 'absent' ? notApplicable('Docker is not installed on this host') : undefined;
}

/**
 * Judges a setting, effective state first: the running daemon, then its flags, then daemon.json, then the built-in
 * value. If the first cannot be read, the others can prove a failure; a pass needs proof from the running daemon.
 */
export function judgeSetting(docker: DockerFact, rule: SettingRule): Judgement {
  const configured = configuredValueOf(docker, rule, rule.whenUnset);
  const live = rule.live?.(docker);
  if (live?.state === 'seen') {
    const evidence = { source: live.source, seen: live.value.seen, expected: rule.expected };
    const good = rule.accepts(live.value.values);
    const other = difference(configured, rule, good);
    const all = other === undefined ? [evidence] : [evidence, other];
    return good ? pass(...all) : fail(rule.problem, ...all);
  }
  const liveReason = live === undefined ? undefined : unseenReason(live);
  if (!configured.known) return unknownBecause(liveReason ?? configured.reason);
  const evidence = configuredEvidence(configured, rule.expected);
  if (!rule.accepts(configured.values)) return fail(rule.problem, evidence);
  const doubt = liveReason ?? configured.doubt;
  return doubt === '' ? pass(evidence) : unknownBecause(doubt, evidence);
}

/** A configured value as evidence, with both times if it is newer than the running daemon. */
export function configuredEvidence(value: ConfiguredValue & { readonly known: true }, expected: string): Evidence {
  const { source, seen: text, doubt } = value;
  return { source, seen: doubt === '' ? text : `${text} (${doubt})`, expected };
}

/** One value of `GET /info`, as the live side of a setting; `describe` makes its text for people. */
export function fromApi(
  docker: DockerFact,
  field: string,
  read: (api: DockerApi) => readonly string[],
  describe: (values: readonly string[]) => string = quoteList,
): Observed<Live> {
  const { api } = docker;
  if (api.state !== 'seen') return api;
  const values = read(api.value);
  return seen({ values, seen: describe(values) }, `GET /info ${field}`);
}

/** A security option of `GET /info` by name; undefined where the daemon does not list it. */
export function securityOption(api: DockerApi, name: string): DockerApi['securityOptions'][number] | undefined {
  return api.securityOptions.find((option) => option.name === name);
}

/** Why the value of the running daemon is unknown. */
export function unseenReason(live: Exclude<Observed<unknown>, { state: 'seen' }>): string {
  return live.state === 'unreadable' ? `${live.source}: ${live.reason}` : `${live.source} is absent`;
}

/** The configured value if it would be judged differently: a change before a restart, or one that was ignored. */
function difference(configured: ConfiguredValue, rule: SettingRule, good: boolean): Evidence | undefined {
  if (!configured.known || rule.accepts(configured.values) === good) return undefined;
  // A built-in value was not configured, unless a newer file no longer sets another one.
  if (configured.origin === 'default' && configured.doubt === '') return undefined;
  return configuredEvidence(configured, rule.expected);
}

/** The same observation of a switch, as the live side of a setting. */
export function liveSwitch(observed: Observed<boolean>, describe: (on: boolean) => string): Observed<Live> {
  return mapObserved(observed, (on) => ({ values: [String(on)], seen: describe(on) }));
}
