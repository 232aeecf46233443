import { bytes, count } from '../text/format.ts';
import type { LiveContainer } from './container.ts';
import { completeSetting, limitSetting, namespaceSettings, rootFileSystemSetting, userSetting } from './isolation.ts';
import {
  capabilitySetting,
  labelSetting,
  noNewPrivilegesSetting,
  privilegedSetting,
  seccompSetting,
} from './security.ts';
import type { ComparedSetting } from './setting.ts';

/** A container with each of its settings, declared beside effective. */
export interface ComparedContainer {
  readonly container: LiveContainer;
  readonly settings: readonly ComparedSetting[];
  readonly differences: number;
  readonly unread: number;
  /** What is weak about it, each once. */
  readonly weaknesses: readonly string[];
}

/** Compares one container. */
export function compareContainer(container: LiveContainer): ComparedContainer {
  const { declared, memoryMaxBytes, pidsMax } = container;
  const complete = completeSetting(container);
  const settings = [
    privilegedSetting(container),
    seccompSetting(container),
    capabilitySetting(container),
    noNewPrivilegesSetting(container),
    labelSetting(container),
    userSetting(container),
    rootFileSystemSetting(container),
    ...namespaceSettings(container),
    limitSetting('memory limit', { declared: declared.memoryBytes, effective: memoryMaxBytes }, bytes),
    limitSetting('process limit', { declared: declared.pidsLimit, effective: pidsMax }, count),
    ...(complete === undefined ? [] : [complete]),
  ];
  return {
    container,
    settings,
    differences: settings.filter(({ relation }) => relation === 'differs').length,
    unread: settings.filter(({ relation }) => relation === 'unread').length,
    weaknesses: [...new Set(settings.map(({ weakness }) => weakness).filter((text) => text !== ''))],
  };
}

/** Containers that need a look first: those that differ, then those with more weaknesses, then by name. */
export function compareContainers(containers: readonly LiveContainer[]): readonly ComparedContainer[] {
  return containers.map(compareContainer).toSorted((one, other) => {
    const byNeed = other.differences - one.differences || other.weaknesses.length - one.weaknesses.length;
    if (byNeed !== 0) return byNeed;
    return one.container.name < other.container.name ? -1 : one.container.name > other.container.name ? 1 : 0;
  });
}
