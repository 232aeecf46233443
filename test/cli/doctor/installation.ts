import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { findPortHolders } from '../../../agent/diagnostics/port-holders.ts';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import type { Installation } from '../../../cli/doctor/installation.ts';
import { findRoles } from '../../../cli/doctor/roles.ts';
import { systemClock } from '../../../service/clock.ts';
import { loadSettings } from '../../../service/config/load.ts';
import type { Program } from '../../../service/config/setting.ts';
import type { Settings } from '../../../service/config/settings.ts';

/** A directory that is gone when the test is over. */
export function directoryOf(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-doctor-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** An installation with these flags, on this machine; `over` replaces parts of it. */
export async function installationOf(
  flags: Readonly<Record<string, string>>,
  over: Partial<Installation> = {},
): Promise<Installation> {
  const environment = over.environment ?? {};
  const isOfAdmission = ([name]: readonly [string, string]): boolean => name.startsWith('admission-');
  const admissionFlags = Object.fromEntries(Object.entries(flags).filter(isOfAdmission));
  const rest = Object.fromEntries(Object.entries(flags).filter((one) => !isOfAdmission(one)));
  const { collector: dialled, ...common } = rest;
  const collector = await settingsFor('collector', common, environment);
  const agent = await settingsFor(
    'agent',
    { ...agentFlags(common), ...(dialled === undefined ? {} : { collector: dialled }) },
    environment,
  );
  return {
    environment,
    uid: process.getuid?.() ?? 0,
    version: '0.1.0',
    clock: systemClock(),
    collector,
    agent,
    admission: await settingsFor('admission', admissionFlags, environment),
    roles: await findRoles(collector, agent),
    configFile: '/nonexistent/config.yaml',
    configNamed: false,
    settingProblems: [],
    settingWarnings: [],
    portHolders: (port) => findPortHolders(port, createLinuxHost()),
    signal: new AbortController().signal,
    ...over,
  };
}

/** What an agent has as well. */
function agentFlags(flags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(flags).filter(([name]) => name === 'data-dir' || name.startsWith('tls-c') || name === 'tls-key'),
  );
}

async function settingsFor(
  program: Program,
  flags: Readonly<Record<string, string>>,
  environment: Installation['environment'],
): Promise<Settings> {
  const readFile = (): Promise<undefined> => Promise.resolve(undefined);
  const loaded = await loadSettings({ programs: [program], flags, environment, readFile, uid: 0, home: '/root' });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}
