import type { SettingProblem } from '../../service/config/problem.ts';
import type { Program } from '../../service/config/setting.ts';
import { loopbackOf } from '../../service/config/kind.ts';
import { CONFIG_VARIABLE, DEFAULT_CONFIG_FILE, settingsOf } from '../../service/config/load.ts';
import type { LoadedSettings } from '../../service/config/load.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Diagnostic } from '../../service/diagnostic.ts';
import type { PortHolders } from '../../service/port-holder.ts';
import type { Context, CliEnvironment } from '../context.ts';
import { loadSettingsOf } from '../load-settings.ts';
import { findRoles } from './roles.ts';
import type { Roles } from './roles.ts';

/** The installation that diagnostics examine. */
export interface Installation extends Pick<CliEnvironment, 'environment' | 'uid' | 'version' | 'clock'> {
  /** Settings of a collector; a wrong value is replaced by its default. */
  readonly collector: Settings;
  /** Settings of an agent; it has another certificate. */
  readonly agent: Settings;
  /** Settings of an admission webhook. */
  readonly admission: Settings;
  readonly roles: Roles;
  readonly configFile: string;
  /** A flag or variable names the configuration file. */
  readonly configNamed: boolean;
  readonly settingProblems: readonly SettingProblem[];
  readonly settingWarnings: readonly string[];
  readonly portHolders: (port: number) => Promise<PortHolders>;
  /** Aborts when all diagnostics have ended. */
  readonly signal: AbortSignal;
}

/** A diagnostic of the installation. */
export type InstallationDiagnostic = Diagnostic<Installation>;

/** The installation that `context` belongs to. */
export async function findInstallation(context: Context, signal: AbortSignal): Promise<Installation> {
  const { environment, uid, version, clock, settingFlags, programs } = context;
  const { settings: collector } = await settingsFor('collector', context);
  const { settings: alone, origins } = await settingsFor('agent', context);
  const { settings: admission } = await settingsFor('admission', context);
  const roles = await findRoles(collector, alone);
  const named = settingFlags['config'] ?? environment[CONFIG_VARIABLE];
  // As in plimsoll up, an agent beside a collector connects to it unless a setting says otherwise.
  const isBeside = roles.collector && origins.get('collector')?.origin === 'default' && collector.listen.port !== 0;
  return {
    environment,
    uid,
    version,
    clock,
    collector,
    agent: isBeside ? { ...alone, collector: loopbackOf(collector.listen) } : alone,
    admission,
    roles,
    configFile: named ?? DEFAULT_CONFIG_FILE,
    configNamed: named !== undefined,
    settingProblems: context.settingProblems,
    settingWarnings: context.settingWarnings,
    portHolders: (port) => programs.portHolders(port, signal),
    signal,
  };
}

/** Some defaults depend on the program. A wrong value is replaced by its default. */
async function settingsFor(program: Program, context: Context): Promise<LoadedSettings> {
  const allowed = new Set<string>(['config', ...settingsOf([program])]);
  const flags = Object.fromEntries(Object.entries(context.settingFlags).filter(([name]) => allowed.has(name)));
  const loaded = await loadSettingsOf([program], flags, context);
  return loaded.ok ? loaded : loaded.rest;
}
