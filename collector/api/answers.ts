import type { z } from 'zod';

/**
 * A schema whose answers a reader of `api/` takes for `T`: it has every field of it. Where readers have null, the field
 * may be left out. For `satisfies`, so that a field that is renamed on one side breaks the build.
 */
export type Answers<T> = z.ZodType<Sent<T>>;

/** `T` as it goes over the wire. */
type Sent<T> = T extends readonly (infer Item)[]
  ? readonly Sent<Item>[]
  : T extends object
    ? { readonly [K in keyof T as null extends T[K] ? never : K]: Sent<T[K]> } & {
        readonly [K in keyof T as null extends T[K] ? K : never]?: Sent<NonNullable<T[K]>> | undefined;
      }
    : T;
