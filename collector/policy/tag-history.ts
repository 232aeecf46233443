import type { ImageTag } from '../../posture/fact/image-tags.ts';

/** What a tag named when its registry answered. */
export type TagAnswer = Pick<ImageTag, 'digest'> & { readonly state: 'same' | 'moved' | 'gone' };

/** What is reported of one tag. */
export interface TagHistory {
  readonly add: (answer: TagAnswer, nowMs: number) => void;
  /** Undefined: the registry has not answered yet. */
  readonly reported: () => Pick<ImageTag, 'state' | 'digest'> | undefined;
}

/** Changes of one tag that are reported within {@link WINDOW_MS}: a registry must not flood the sinks. */
const MAX_CHANGES = 4;
const WINDOW_MS = 24 * 60 * 60 * 1000;

/**
 * What is reported of a tag: its last answer, or `unstable` from the fifth change within 24 hours until it has not changed
 * for 24 hours.
 */
export function createTagHistory(): TagHistory {
  let last: TagAnswer | undefined;
  let changesMs: readonly number[] = [];
  let isUnstable = false;
  return {
    add: (answer, nowMs) => {
      changesMs = changesMs.filter((ms) => ms > nowMs - WINDOW_MS);
      if (last !== undefined && differs(last, answer)) changesMs = [...changesMs, nowMs].slice(-MAX_CHANGES - 1);
      if (changesMs.length === 0) isUnstable = false;
      isUnstable ||= changesMs.length > MAX_CHANGES;
      last = answer;
    },
    reported: () => {
      if (last === undefined || isUnstable) return last && { state: 'unstable' };
      return { state: last.state, ...(last.state === 'moved' && last.digest !== undefined && { digest: last.digest }) };
    },
  };
}

/** An index can be pushed again and still name the image that runs. */
function differs(one: TagAnswer, other: TagAnswer): boolean {
  return one.state !== other.state || (one.state === 'moved' && one.digest !== other.digest);
}
