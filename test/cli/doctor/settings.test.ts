import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { clockOfMachine } from '../../../cli/doctor/diagnostics/clock.ts';
import { clockSynchronisation } from '../../../cli/doctor/diagnostics/clock-synchronisation.ts';
import { nodeVersion } from '../../../cli/doctor/diagnostics/node-version.ts';
import { programBuild } from '../../../cli/doctor/diagnostics/program-build.ts';
import { settingsEnvironment } from '../../../cli/doctor/diagnostics/settings-environment.ts';
import { settingsFile } from '../../../cli/doctor/diagnostics/settings-file.ts';
import { settingsValues } from '../../../cli/doctor/diagnostics/settings-values.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { directoryOf, installationOf } from './installation.ts';

void t.test('the configuration file', async (t) => {
  const configFile = join(directoryOf(t), 'config.yaml');
  const look = async (configNamed: boolean) => settingsFile.run(await installationOf({}, { configFile, configNamed }));
  t.match(await look(false), { outcome: 'ok', observed: `none (${configFile} is not there)` });
  t.match(await look(true), { outcome: 'problem', advice: /--config/ });
  writeFileSync(configFile, '', { mode: 0o640 });
  t.match(await look(true), { outcome: 'ok', observed: configFile });
  chmodSync(configFile, 0o666);
  t.match(await look(true), { outcome: 'problem', observed: /mode 0666/, advice: `chmod go-w ${configFile}` });
});

void t.test('values that are wrong, and variables that mean nothing', async (t) => {
  const configFile = '/etc/plimsoll/config.yaml';
  const settingProblems = [
    { place: configFile, setting: '', text: 'there is no such file' },
    { place: `${configFile}:2`, setting: 'listn', text: 'unknown setting; did you mean listen?' },
  ];
  const wrong = await installationOf({}, { configFile, settingProblems });
  t.match(await settingsValues.run(wrong), {
    outcome: 'problem',
    observed: `${configFile}:2: listn: unknown setting; did you mean listen?`,
  });
  t.match(await settingsValues.run(await installationOf({})), { outcome: 'ok' });
  const environment = { PLIMSOLL_DATADIR: '/x', DOCKER_HOST: 'tcp://192.0.2.1:2375', HOME: '/root' };
  const settingWarnings = [
    `${configFile} is not used, it could not be read: EACCES`,
    'PLIMSOLL_DATADIR is set but means nothing; did you mean PLIMSOLL_DATA_DIR?',
  ];
  const typo = await installationOf({}, { configFile, environment, settingWarnings });
  const found = await settingsEnvironment.run(typo);
  t.equal(found.outcome, 'warning');
  t.match(
    found.observed,
    /^PLIMSOLL_DATADIR is set but means nothing; did you mean PLIMSOLL_DATA_DIR\?; DOCKER_HOST is tcp:/,
  );
  const good = await installationOf(
    {},
    { environment: { PLIMSOLL_LISTEN: '127.0.0.1:1', PLIMSOLL_API: '127.0.0.1:2' } },
  );
  t.match(await settingsEnvironment.run(good), { outcome: 'ok', observed: 'PLIMSOLL_API, PLIMSOLL_LISTEN' });
});

void t.test('the program', async (t) => {
  const platform = { system: 'linux', architecture: 'x64' };
  const node = async (version: string) =>
    nodeVersion.run(await installationOf({}, { platform: { ...platform, node: version } }));
  t.match(await node('v24.0.0'), { outcome: 'ok', observed: 'v24.0.0 on linux x64' });
  t.match(await node('v25.1.0'), { outcome: 'ok' });
  t.match(await node('v22.9.0'), { outcome: 'problem' });

  const directory = directoryOf(t);
  for (const name of ['dist', 'cli', 'cli/command']) mkdirSync(join(directory, name));
  for (const name of ['main.ts', 'cli/run.ts', 'cli/command/scan.ts', 'dist/plimsoll.js', 'cli/notes.md']) {
    writeFileSync(join(directory, name), '');
    utimesSync(join(directory, name), 1_000_000, 1_000_000);
  }
  const build = async (bundled: boolean) =>
    programBuild.run(await installationOf({}, { installation: { directory, bundled } }));
  t.match(await build(true), { outcome: 'ok', observed: `0.1.0, from the bundle in ${directory}/dist` });
  utimesSync(join(directory, 'cli/notes.md'), 2_000_000, 2_000_000);
  t.match(await build(true), { outcome: 'ok' }, 'what is no source does not count');
  utimesSync(join(directory, 'cli/command/scan.ts'), 2_000_000, 2_000_000);
  t.match(await build(true), { outcome: 'warning', observed: /older than cli\/command\/scan\.ts$/ });
  t.match(await build(false), { outcome: 'ok', observed: `0.1.0, from source in ${directory}` });
});

void t.test('the clock', async (t) => {
  const at = async (iso: string) =>
    clockOfMachine.run(await installationOf({}, { clock: createFakeClock(Date.parse(iso)) }));
  t.match(await at('2026-11-25T14:03:09Z'), { outcome: 'ok', observed: '2026-11-25 14:03 UTC' });
  for (const wrong of ['1970-01-01T00:00:09Z', '2025-12-31T23:59:59Z', '2046-01-01T00:00:00Z'])
    t.match(await at(wrong), { outcome: 'problem', observed: /cannot be$/ }, wrong);
  const { outcome } = await clockSynchronisation.run(await installationOf({}));
  const leaves = ['/run/systemd/timesync/synchronized'].filter((path) => {
    try {
      execFileSync('test', ['-e', path]);
      return true;
    } catch {
      return false;
    }
  });
  t.equal(outcome, leaves.length > 0 ? 'ok' : 'unknown');
});
