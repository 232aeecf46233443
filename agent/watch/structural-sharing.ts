import type { ContainerFact, ContainersFact } from '../../posture/fact/container.ts';
import { engineSettings } from '../../posture/fact/docker.ts';
import type { EngineSettings } from '../../posture/fact/docker.ts';
import type { FactName, Facts } from '../../posture/fact/facts.ts';
import { isContainerEntry } from '../../posture/fact/unobserved.ts';
import type { Unobserved, UnobservedFact } from '../../posture/fact/unobserved.ts';
import type { Change } from '../../posture/judge.ts';
import { sameValue } from '../same-value.ts';

/**
 * `after`, with each fact and each container that says the same as in `before` replaced by the object that is there
 * already: what was not replaced is what changed, and of the rest there is only one in memory.
 */
export function shareUnchanged(before: Facts, after: Facts): Facts {
  const shared: Record<string, unknown> = {};
  for (const name of Object.keys(after) as FactName[]) {
    const value = name === 'containers' ? shareContainers(before.containers, after.containers) : after[name];
    shared[name] = sameValue(before[name], value) ? before[name] : value;
  }
  return shared as unknown as Facts;
}

function shareContainers(before: ContainersFact, after: ContainersFact): ContainersFact {
  if (before.state !== 'seen' || after.state !== 'seen') return after;
  const known = byId(before.value);
  const value = after.value.map((container) => {
    const old = known.get(container.id);
    return old !== undefined && sameValue(old, container) ? old : container;
  });
  return { ...after, value };
}

/** What is another object in `after` than it was in `before`. */
export function changeBetween(before: Facts, after: Facts): Change {
  const facts = new Set<FactName>();
  const containers = new Set<string>();
  const addAll = (ids: Iterable<string>): void => {
    for (const id of ids) containers.add(id);
  };
  for (const name of Object.keys(after) as FactName[]) {
    if (before[name] === after[name]) continue;
    const ids = name === 'containers' ? changedContainers(before.containers, after.containers) : undefined;
    if (ids === undefined) facts.add(name);
    else addAll(ids);
  }
  if (facts.has('unobserved')) {
    const ids = changedUnobserved(before.unobserved, after.unobserved);
    // Which containers there are at all is then known in another way than before.
    if (ids === undefined) facts.add('containers');
    else addAll(ids);
  }
  if (before.docker === after.docker && before.engines === after.engines)
    return { facts, containers, engineSettings: new Set() };
  const [old, now] = [settingsByEndpoint(before), settingsByEndpoint(after)];
  const isOfAnother = ({ engine }: ContainerFact): boolean => old.has(engine) !== now.has(engine);
  // Those of an engine that came or went are judged with the settings of another engine than before.
  if (after.containers.state === 'seen') addAll(after.containers.value.filter(isOfAnother).map(({ id }) => id));
  const engineSettings = changedSettings(old, now);
  if (before.docker.endpoint !== after.docker.endpoint) engineSettings.add('endpoint');
  return { facts, containers, engineSettings };
}

type SettingsByEndpoint = ReadonlyMap<string, EngineSettings>;

function settingsByEndpoint({ docker, engines }: Facts): SettingsByEndpoint {
  // Of two engines at one endpoint the first one counts.
  const all = [docker, ...engines].toReversed();
  return new Map(all.map((engine) => [engine.endpoint, engineSettings(engine)]));
}

/** Settings that differ of an engine which is in both. */
function changedSettings(before: SettingsByEndpoint, after: SettingsByEndpoint): Set<keyof EngineSettings> {
  const changed = new Set<keyof EngineSettings>();
  for (const [endpoint, now] of after) {
    const old = before.get(endpoint);
    if (old === undefined) continue;
    for (const name of Object.keys(now) as (keyof EngineSettings)[])
      if (!sameValue(old[name], now[name])) changed.add(name);
  }
  return changed;
}

/** Ids of those that came, went or changed; undefined where the fact changed as a whole. */
function changedContainers(before: ContainersFact, after: ContainersFact): ReadonlySet<string> | undefined {
  if (before.state !== 'seen' || after.state !== 'seen') return undefined;
  const gone = byId(before.value);
  const changed = new Set<string>();
  for (const container of after.value) {
    if (gone.get(container.id) !== container) changed.add(container.id);
    gone.delete(container.id);
  }
  for (const id of gone.keys()) changed.add(id);
  return changed;
}

/** The same for those that could not be inspected. */
function changedUnobserved(before: UnobservedFact, after: UnobservedFact): ReadonlySet<string> | undefined {
  if (before.state !== 'seen' || after.state !== 'seen') return undefined;
  const ids = (entries: readonly Unobserved[], others: readonly Unobserved[]): readonly string[] =>
    entries
      .filter(isContainerEntry)
      .filter((entry) => !others.some((other) => sameValue(entry, other)))
      .map(({ id }) => id);
  return new Set([...ids(before.value, after.value), ...ids(after.value, before.value)]);
}

function byId(containers: readonly ContainerFact[]): Map<string, ContainerFact> {
  return new Map(containers.map((container) => [container.id, container]));
}
