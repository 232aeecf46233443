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

/** What the running daemon itself says about a setting: the values, and the words for people. */
export interface Live {
  readonly values: readonly string[];
  readonly seen: string;
}

/** What one setting of dockerd must be, and where it shows. */
export interface SettingRule extends SettingName {
  /** What dockerd does when nobody says anything; null where it chooses at start. */
  readonly whenUnset: readonly string[] | null;
  readonly expected: string;
  readonly accepts: (values: readonly string[]) => boolean;
  /** The setting on the running daemon; nothing where this engine does not say. */
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

/** A check of dockerd that does not arise where Docker is absent. */
export function daemonCheck({
  judge,
  reference,
  ...text
}: DaemonCheckText & { readonly judge: (docker: DockerFact) => Judgement }): NodeCheck {
  return nodeCheck({
    ...text,
    references: [reference ?? 'https://docs.docker.com/reference/cli/dockerd/'],
    judges: 'docker',
    needs: ['docker'],
    judge: ({ docker }) =>
      docker.present.state === 'absent' ? notApplicable('Docker is not on this node') : judge(docker),
  });
}

/**
 * Judges a setting, effective state first: what the running daemon says, then its flags, then daemon.json, then the
 * built-in value. Where the first cannot be read, the others can prove a failure; a pass needs the proof that the
 * running daemon is so.
 */
export function judgeSetting(docker: DockerFact, rule: SettingRule): Judgement {
  const told = configuredValueOf(docker, rule, rule.whenUnset);
  const live = rule.live?.(docker);
  if (live?.state === 'seen') {
    const evidence = { source: live.source, seen: live.value.seen, expected: rule.expected };
    const good = rule.accepts(live.value.values);
    const other = difference(told, rule, good);
    const all = other === undefined ? [evidence] : [evidence, other];
    return good ? pass(...all) : fail(...all);
  }
  const liveReason = live === undefined ? undefined : unseenReason(live);
  if (!told.known) return unknownBecause(liveReason ?? told.reason);
  const evidence = toldEvidence(told, rule.expected);
  if (!rule.accepts(told.values)) return fail(evidence);
  const doubt = liveReason ?? told.doubt;
  return doubt === '' ? pass(evidence) : unknownBecause(doubt, evidence);
}

/** What dockerd was told, as evidence, with the times where it is newer than the running daemon. */
export function toldEvidence(told: ConfiguredValue & { readonly known: true }, expected: string): Evidence {
  const { source, doubt } = told;
  return { source, seen: doubt === '' ? told.seen : `${told.seen} (${doubt})`, expected };
}

/** One value of `GET /info`, as the live side of a setting; `describe` where the values alone say too little. */
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

/** A security option by name as `GET /info` has it, or nothing where the daemon lists none of that name. */
export function securityOption(api: DockerApi, name: string): DockerApi['securityOptions'][number] | undefined {
  return api.securityOptions.find((option) => option.name === name);
}

/** Why the running daemon does not say. */
export function unseenReason(live: Exclude<Observed<unknown>, { state: 'seen' }>): string {
  return live.state === 'unreadable' ? `${live.source}: ${live.reason}` : `${live.source} is absent`;
}

/** What was asked for, where the answer would be another one: a change that waits for a restart, or was ignored. */
function difference(told: ConfiguredValue, rule: SettingRule, good: boolean): Evidence | undefined {
  if (!told.known || rule.accepts(told.values) === good) return undefined;
  // A built-in value is no wish of anybody, unless a newer file has taken the wish back.
  if (told.origin === 'default' && told.doubt === '') return undefined;
  return toldEvidence(told, rule.expected);
}

/** The same observation of a switch, as the live side of a setting. */
export function liveSwitch(observed: Observed<boolean>, describe: (on: boolean) => string): Observed<Live> {
  return mapObserved(observed, (on) => ({ values: [String(on)], seen: describe(on) }));
}
