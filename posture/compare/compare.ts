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

/** A container with each of its settings, declared beside effective, as text. */
export interface ComparedContainer {
  readonly container: LiveContainer;
  readonly settings: readonly ComparedSetting[];
  readonly differences: number;
  readonly unread: number;
  /** Weaknesses of what is in force, each once. */
  readonly weaknesses: readonly string[];
}

/** How an amount reads, such as `512 MiB` for 536870912 bytes and `1,000` for 1000. */
export interface AmountFormat {
  readonly bytes: (value: number) => string;
  readonly count: (value: number) => string;
}

/** Compares one container. */
export function compareContainer(container: LiveContainer, format: AmountFormat): ComparedContainer {
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
    limitSetting('memory limit', { declared: declared.memoryBytes, effective: memoryMaxBytes }, format.bytes),
    limitSetting('process limit', { declared: declared.pidsLimit, effective: pidsMax }, format.count),
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

/** Compares each container. Order: most differences first, then most weaknesses, then by name. */
export function compareContainers(
  containers: readonly LiveContainer[],
  format: AmountFormat,
): readonly ComparedContainer[] {
  const compared = containers.map((container) => compareContainer(container, format));
  return compared.toSorted((one, other) => {
    const byNeed = other.differences - one.differences || other.weaknesses.length - one.weaknesses.length;
    if (byNeed !== 0) return byNeed;
    return one.container.name < other.container.name ? -1 : one.container.name > other.container.name ? 1 : 0;
  });
}
