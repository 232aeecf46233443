import { join } from 'node:path';
import { formatAddress, loopbackOf } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import { settingsOf } from '../../service/config/load.ts';
import type { Program } from '../../service/config/setting.ts';
import type { Context } from '../context.ts';

/** The command line of the collector. It reads the configuration file and the environment itself. */
export function collectorArguments(
  context: Context,
  { api, listen }: { api: Address; listen: Address },
): readonly string[] {
  const { dataDir } = context.settings;
  return commandLine('collector', {
    ...flagsOf(context, 'collector'),
    'data-dir': dataDir,
    listen: formatAddress(listen),
    api: formatAddress(api),
    ...tlsFlags(dataDir, 'collector'),
    ...LOG_FLAGS,
  });
}

/** The command line of the agent: it connects to the collector beside it. */
export function agentArguments(context: Context, listen: Address): readonly string[] {
  const { dataDir } = context.settings;
  return commandLine('agent', {
    ...flagsOf(context, 'agent'),
    'data-dir': dataDir,
    collector: formatAddress(loopbackOf(listen)),
    ...tlsFlags(dataDir, 'agent'),
    ...LOG_FLAGS,
  });
}

/** Their lines are read by the program, whatever people want to read. */
const LOG_FLAGS = Object.freeze({ 'log-format': 'json' });

/** The two have certificates of their own: a path that is meant for one of them must not reach the other. */
function tlsFlags(dataDir: string, name: string): Readonly<Record<string, string>> {
  const directory = join(dataDir, 'tls');
  return {
    'tls-ca': join(directory, 'ca.pem'),
    'tls-cert': join(directory, `${name}.pem`),
    'tls-key': join(directory, `${name}-key.pem`),
  };
}

function flagsOf({ settingFlags }: Context, program: Program): Readonly<Record<string, string>> {
  const allowed = new Set<string>(['config', ...settingsOf([program])]);
  return Object.fromEntries(Object.entries(settingFlags).filter(([name]) => allowed.has(name)));
}

function commandLine(command: string, flags: Readonly<Record<string, string>>): readonly string[] {
  // One word each: a value may start with a dash.
  return [command, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)];
}
