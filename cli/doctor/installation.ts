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

/** What is examined: one installation of the program on this machine. */
export interface Installation extends Pick<
  CliEnvironment,
  'environment' | 'uid' | 'platform' | 'version' | 'installation' | 'clock'
> {
  /** As a collector would have them. What is wrong has its default here. */
  readonly collector: Settings;
  /** As an agent would have them: its certificate is another. */
  readonly agent: Settings;
  readonly roles: Roles;
  readonly configFile: string;
  /** Somebody named the configuration file. */
  readonly configNamed: boolean;
  readonly settingProblems: readonly SettingProblem[];
  readonly settingWarnings: readonly string[];
  readonly portHolders: (port: number) => Promise<PortHolders>;
  /** Aborts when the examination is over. */
  readonly signal: AbortSignal;
}

/** One thing about an installation that can be looked at. */
export type InstallationDiagnostic = Diagnostic<Installation>;

/** The installation that `context` belongs to. */
export async function findInstallation(context: Context, signal: AbortSignal): Promise<Installation> {
  const { environment, uid, platform, version, installation, clock, settingFlags, programs } = context;
  const { settings: collector } = await settingsFor('collector', context);
  const { settings: alone, origins } = await settingsFor('agent', context);
  const roles = await findRoles(collector, alone);
  const named = settingFlags['config'] ?? environment[CONFIG_VARIABLE];
  // Beside a collector the agent connects to it, as plimsoll up has it, unless somebody said otherwise.
  const isBeside = roles.collector && origins.get('collector')?.origin === 'default' && collector.listen.port !== 0;
  return {
    environment,
    uid,
    platform,
    version,
    installation,
    clock,
    collector,
    agent: isBeside ? { ...alone, collector: loopbackOf(collector.listen) } : alone,
    roles,
    configFile: named ?? DEFAULT_CONFIG_FILE,
    configNamed: named !== undefined,
    settingProblems: context.settingProblems,
    settingWarnings: context.settingWarnings,
    portHolders: (port) => programs.portHolders(port, signal),
    signal,
  };
}

/** Some defaults depend on the program that reads them. What is wrong has its default. */
async function settingsFor(program: Program, context: Context): Promise<LoadedSettings> {
  const allowed = new Set<string>(['config', ...settingsOf([program])]);
  const flags = Object.fromEntries(Object.entries(context.settingFlags).filter(([name]) => allowed.has(name)));
  const loaded = await loadSettingsOf([program], flags, context);
  return loaded.ok ? loaded : loaded.rest;
}
