import type { Kind } from './kind.ts';

/**
 * The programs that have settings. `client` is every command that asks a collector, `image` every command that uses the
 * vulnerability database without one.
 */
export type Program =
  'admission' | 'agent' | 'authz' | 'broker' | 'collector' | 'rollout' | 'up' | 'scan' | 'client' | 'image' | 'login';

/** One setting. Its name is the flag, the key in the file and, as `PLIMSOLL_…`, the environment variable. */
export interface SettingDefinition<T> {
  readonly kind: Kind<T>;
  /** In the notation that a user would write. */
  readonly default: string | DerivedDefault;
  /** One or two sentences for people. */
  readonly description: string;
  readonly programs: readonly Program[];
  /** The value is never shown, in no list, log or error. */
  readonly secret?: true;
  /** A variable of another program that is honoured too: before the default, after everything else. */
  readonly borrowed?: BorrowedVariable;
}

/** A default that depends on who runs the program, and where. */
export interface DerivedDefault {
  readonly from: (context: DefaultContext) => string;
  /** What the documentation says in its place. */
  readonly text: string;
}

/** What a default may depend on. */
export interface DefaultContext {
  readonly uid: number;
  readonly home: string;
  /** XDG_STATE_HOME; empty where it is not set. */
  readonly stateHome: string;
  /** The value of data-dir; empty while that itself is worked out. */
  readonly dataDir: string;
  readonly programs: readonly Program[];
}

/** A variable that other programs understand as well (`DOCKER_HOST`, `NO_COLOR`). */
export interface BorrowedVariable {
  readonly name: string;
  /** What our setting is when the variable is there and not empty; undefined: it has nothing to say here. */
  readonly translate: (value: string) => string | undefined;
}

/** The environment variable of a setting: `data-dir` → `PLIMSOLL_DATA_DIR`. */
export function environmentName(setting: string): string {
  return `PLIMSOLL_${setting.toUpperCase().replaceAll('-', '_')}`;
}

/** The default of a file in the data directory. */
export function inDataDir(name: string): DerivedDefault {
  return { from: ({ dataDir }) => `${dataDir}/${name}`, text: `\`<data-dir>/${name}\`` };
}
