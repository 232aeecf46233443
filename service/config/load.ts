import { nearestName } from '../nearest.ts';
import { parseConfigFile } from './file.ts';
import type { FileEntries } from './file.ts';
import { problemAt, quoted } from './problem.ts';
import type { SettingProblem } from './problem.ts';
import { environmentName } from './setting.ts';
import type { Program, SettingDefinition } from './setting.ts';
import { SETTING_NAMES, SETTINGS } from './settings.ts';
import type { SettingName, Settings } from './settings.ts';

/** Where settings come from. Nothing else is looked at: no process, no working directory. */
export interface LoadRequest {
  /** Programs whose settings are wanted; a flag of another program is refused. */
  readonly programs: readonly Program[];
  /** Flags by long name; `config` names the file. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The text of a file; undefined if it does not exist; rejects if it cannot be read. */
  readonly readFile: (path: string) => Promise<string | undefined>;
  readonly uid: number;
  readonly home: string;
  /** Relative paths start here; without it they are refused. */
  readonly workingDirectory?: string;
}

/** All settings, or everything that is wrong with them. */
export type Loaded =
  | ({ readonly ok: true } & LoadedSettings)
  | {
      readonly ok: false;
      readonly problems: readonly SettingProblem[];
      /** Defaults in place of what is wrong: for who looks into it. Nothing may be run with them. */
      readonly rest: LoadedSettings;
    };

/** All settings, and where they come from. */
export interface LoadedSettings {
  readonly settings: Settings;
  /** Of the settings of the asked programs. */
  readonly origins: ReadonlyMap<SettingName, Origin>;
  /** What a person should know although it stops nothing. */
  readonly warnings: readonly string[];
}

/** Where a value comes from. */
export interface Origin {
  readonly origin: 'default' | 'file' | 'environment' | 'flag';
  /** `--listen`, `PLIMSOLL_LISTEN`, `/etc/plimsoll/config.yaml:3`; empty for a default. */
  readonly from: string;
  /** The value as it was written. */
  readonly text: string;
}

/** The file that is read if it is there and no other is named. */
export const DEFAULT_CONFIG_FILE = '/etc/plimsoll/config.yaml';
/** Names the configuration file, as `--config` does. */
export const CONFIG_VARIABLE = 'PLIMSOLL_CONFIG';

/** Shown in place of a secret. */
const HIDDEN = '(hidden)';

/** Variables of ours that are no settings: switches of the test suite and of the benchmarks. */
const OTHER_VARIABLES = /^PLIMSOLL_(?:CONFIG$|TEST_|BENCH_)/;

/** Works out every setting: flag, else environment, else file, else default. Never rejects. */
export async function loadSettings(request: LoadRequest): Promise<Loaded> {
  const file = await readConfig(request);
  const problems: SettingProblem[] = [...file.problems, ...unknownKeys(file), ...unknownFlags(request)];
  const values: Record<string, unknown> = {};
  const origins = new Map<SettingName, Origin>();
  let dataDir = '';
  for (const name of SETTING_NAMES) {
    const setting: SettingDefinition<unknown> = SETTINGS[name];
    const origin = originOf(name, setting, { request, file, dataDir });
    const value = setting.kind.read(origin.text, request);
    if (value === undefined)
      problems.push(
        problemAt(
          origin.from || 'default',
          `expected ${setting.kind.expects}${setting.secret === true ? '' : `, got ${quoted(origin.text)}`}`,
          name,
        ),
      );
    const usable = value ?? setting.kind.read(defaultOrigin(setting, request, dataDir).text, request);
    // data-dir is the first of the table: the defaults of others are built on it.
    if (name === 'data-dir') dataDir = typeof usable === 'string' ? usable : origin.text;
    if (setting.programs.some((program) => request.programs.includes(program))) {
      const isHidden = setting.secret === true && origin.text !== '';
      origins.set(name, isHidden ? { ...origin, text: HIDDEN } : origin);
    }
    values[camelCase(name)] = usable;
  }
  const warnings = [...file.warnings, ...unknownVariables(request.environment)];
  const loaded = { settings: Object.freeze(values) as Settings, origins, warnings };
  return problems.length > 0 ? { ok: false, problems, rest: loaded } : { ok: true, ...loaded };
}

interface Sources {
  readonly request: LoadRequest;
  readonly file: FileEntries;
  readonly dataDir: string;
}

function originOf(name: SettingName, setting: SettingDefinition<unknown>, { request, file, dataDir }: Sources): Origin {
  const flag = request.flags[name];
  if (flag !== undefined) return { origin: 'flag', from: `--${name}`, text: flag };
  const variable = environmentName(name);
  const fromEnvironment = request.environment[variable];
  if (fromEnvironment !== undefined) return { origin: 'environment', from: variable, text: fromEnvironment };
  const entry = file.entries.get(name);
  if (entry !== undefined) return { origin: 'file', from: entry.place, text: entry.text };
  const borrowed = borrowedText(setting, request.environment);
  if (borrowed !== undefined) return { origin: 'environment', ...borrowed };
  return defaultOrigin(setting, request, dataDir);
}

function defaultOrigin(setting: SettingDefinition<unknown>, request: LoadRequest, dataDir: string): Origin {
  if (typeof setting.default === 'string') return { origin: 'default', from: '', text: setting.default };
  const { uid, home, programs } = request;
  const stateHome = request.environment['XDG_STATE_HOME'] ?? '';
  return { origin: 'default', from: '', text: setting.default.from({ uid, home, stateHome, dataDir, programs }) };
}

function borrowedText(
  { borrowed }: SettingDefinition<unknown>,
  environment: LoadRequest['environment'],
): Pick<Origin, 'from' | 'text'> | undefined {
  const value = borrowed === undefined ? '' : (environment[borrowed.name] ?? '');
  const text = value === '' ? undefined : borrowed?.translate(value);
  return text === undefined ? undefined : { from: borrowed?.name ?? '', text };
}

async function readConfig(request: LoadRequest): Promise<FileEntries & { readonly warnings: readonly string[] }> {
  const named = request.flags['config'] ?? request.environment[CONFIG_VARIABLE];
  const path = named ?? DEFAULT_CONFIG_FILE;
  const nothing = { entries: new Map(), problems: [], warnings: [] };
  try {
    const text = await request.readFile(path);
    if (text !== undefined) return { ...(await parseConfigFile(text, path)), warnings: [] };
    return named === undefined ? nothing : { ...nothing, problems: [problemAt(path, 'there is no such file')] };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    // A file that the administrator keeps to root must not stop a user's scan, but it must not go unsaid either.
    if (named === undefined) return { ...nothing, warnings: [`${path} is not used, it could not be read: ${reason}`] };
    return { ...nothing, problems: [problemAt(path, `could not be read: ${reason}`)] };
  }
}

function unknownKeys(file: FileEntries): readonly SettingProblem[] {
  return [...file.entries]
    .filter(([key]) => !isSettingName(key))
    .map(([key, { place }]) => problemAt(place, unknownText(key, SETTING_NAMES), key.slice(0, 80)));
}

function unknownFlags({ flags, programs }: LoadRequest): readonly SettingProblem[] {
  const allowed = settingsOf(programs);
  return Object.keys(flags)
    .filter((flag) => flag !== 'config' && flags[flag] !== undefined && !allowed.includes(flag as SettingName))
    .map((flag) => problemAt(`--${flag}`, unknownText(flag, allowed)));
}

function unknownVariables(environment: LoadRequest['environment']): readonly string[] {
  const known = new Set(SETTING_NAMES.map(environmentName));
  return Object.keys(environment)
    .filter((name) => name.startsWith('PLIMSOLL_') && !known.has(name) && !OTHER_VARIABLES.test(name))
    .map((name) => `${name.slice(0, 80)} is set but means nothing${suggestion(name, known)}`);
}

function unknownText(name: string, known: readonly SettingName[]): string {
  const hint = suggestion(name, known);
  return hint === '' ? `unknown setting; known are ${known.join(', ')}` : `unknown setting${hint}`;
}

function suggestion(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/** The names of the settings that one of `programs` uses. */
export function settingsOf(programs: readonly Program[]): readonly SettingName[] {
  return SETTING_NAMES.filter((name) => {
    const setting: SettingDefinition<unknown> = SETTINGS[name];
    return setting.programs.some((program) => programs.includes(program));
  });
}

function camelCase(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
