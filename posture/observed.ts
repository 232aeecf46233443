import { nullable, object, oneOf, string } from './schema.ts';
import type { Parsed, Schema } from './schema.ts';

/**
 * What came of looking at one thing. Absent and unreadable never look the same: a check may judge what is absent,
 * but can only say `unknown` about what it could not read. `source` says where we looked (`/proc/4121/status`).
 */
export type Observed<T> =
  | { readonly state: 'seen'; readonly value: T; readonly source: string }
  | { readonly state: 'absent'; readonly source: string }
  | { readonly state: 'unreadable'; readonly source: string; readonly reason: string };

/** We read `value` at `source`. */
export function seen<T>(value: T, source: string): Observed<T> {
  return { state: 'seen', value, source };
}

/** We looked at `source` and there is nothing. */
export function absent(source: string): Observed<never> {
  return { state: 'absent', source };
}

/** We could not look at `source`; `reason` is for people (`permission denied (EACCES)`). */
export function unreadable(source: string, reason: string): Observed<never> {
  return { state: 'unreadable', source, reason };
}

/** The same observation with its value changed; absent and unreadable pass through. */
export function mapObserved<T, U>(observed: Observed<T>, change: (value: T) => U): Observed<U> {
  return observed.state === 'seen' ? seen(change(observed.value), observed.source) : observed;
}

/** The value if it was seen, otherwise `fallback`. Only for display: a check must look at the state. */
export function valueOr<T, U>(observed: Observed<T>, fallback: U): T | U {
  return observed.state === 'seen' ? observed.value : fallback;
}

const stateSchema = object({
  state: oneOf(['seen', 'absent', 'unreadable']),
  source: string(),
  reason: nullable(string()),
});

/** Schema of an observation of `item`. */
export function observed<T>(item: Schema<T>, doc = ''): Schema<Observed<T>> {
  return {
    shape: { kind: 'observed', doc, item: item.shape },
    parse: (value, at = ''): Parsed<Observed<T>> => {
      const state = stateSchema.parse(value, at);
      if (!state.ok) return state;
      const { source, reason } = state.value;
      if (state.value.state === 'absent') return { ok: true, value: absent(source) };
      if (state.value.state === 'unreadable') return { ok: true, value: unreadable(source, reason ?? '') };
      const parsed = item.parse((value as { value?: unknown }).value, `${at}.value`);
      return parsed.ok ? { ok: true, value: seen(parsed.value, source) } : parsed;
    },
  };
}
