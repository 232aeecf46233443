import { agentUnit, brokerUnit, environmentFile, SERVICE_PATHS, SYSUSERS } from './unit-files.ts';
import type { ServiceProgram } from './unit-files.ts';

/** One step of an installation. Each has no effect where its result is there already. */
export type Step =
  | { readonly kind: 'write'; readonly path: string; readonly mode: number; readonly content: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'run'; readonly command: string; readonly args: readonly string[] }
  | { readonly kind: 'join'; readonly address: string };

const UNITS = ['plimsoll-broker.service', 'plimsoll-agent.service'];

/** What to install. */
export interface InstallOptions {
  readonly program: ServiceProgram;
  /** Settings of both services, as environment variables. */
  readonly variables: Readonly<Record<string, string>>;
  /** Where this node joins its fleet; undefined: it has a certificate. */
  readonly join: string | undefined;
  /** Files only: for an image whose services start later. */
  readonly filesOnly: boolean;
}

/** The steps that install both services and start them. */
export function installSteps({ program, variables, join, filesOnly }: InstallOptions): readonly Step[] {
  const files: readonly Step[] = [
    { kind: 'write', path: SERVICE_PATHS.users, mode: 0o644, content: SYSUSERS },
    { kind: 'write', path: SERVICE_PATHS.settings, mode: 0o644, content: environmentFile(variables) },
    { kind: 'write', path: SERVICE_PATHS.brokerUnit, mode: 0o644, content: brokerUnit(program) },
    { kind: 'write', path: SERVICE_PATHS.agentUnit, mode: 0o644, content: agentUnit(program) },
  ];
  if (filesOnly) return files;
  return [
    ...files,
    run('systemd-sysusers', SERVICE_PATHS.users),
    ...(join === undefined ? [] : [{ kind: 'join', address: join } as const]),
    run('chown', '-R', 'plimsoll:plimsoll', SERVICE_PATHS.dataDir),
    run('systemctl', 'daemon-reload'),
    run('systemctl', 'enable', ...UNITS),
    run('systemctl', 'restart', ...UNITS),
  ];
}

/** The steps that stop the services and remove their files. `purge`: also certificate, spool and settings. */
export function uninstallSteps(options: { readonly purge: boolean; readonly filesOnly: boolean }): readonly Step[] {
  const { brokerUnit: broker, agentUnit: agent, users, settings, dataDir } = SERVICE_PATHS;
  const removed = [agent, broker, users, ...(options.purge ? [settings, dataDir] : [])];
  const files = removed.map((path): Step => ({ kind: 'remove', path }));
  if (options.filesOnly) return files;
  return [run('systemctl', 'disable', '--now', ...UNITS.toReversed()), ...files, run('systemctl', 'daemon-reload')];
}

function run(command: string, ...args: readonly string[]): Step {
  return { kind: 'run', command, args };
}
