import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { settings } from '../../../cli/doctor/diagnostics/settings.ts';
import { directoryOf, installationOf } from './installation.ts';

void t.test('the configuration file', async (t) => {
  const configFile = join(directoryOf(t), 'config.yaml');
  const look = async (configNamed: boolean) => settings.run(await installationOf({}, { configFile, configNamed }));
  t.match(await look(false), {
    outcome: 'ok',
    observed: `no configuration file (${configFile}); all values are valid`,
  });
  t.match(await look(true), { outcome: 'problem', advice: /--config/ });
  writeFileSync(configFile, '', { mode: 0o640 });
  t.match(await look(true), { outcome: 'ok', observed: new RegExp(`^${configFile}; `) });
  chmodSync(configFile, 0o666);
  t.match(await look(true), { outcome: 'problem', observed: /mode 0666/, advice: `chmod go-w ${configFile}` });
});

void t.test('wrong values and unknown variables', async (t) => {
  const configFile = '/etc/plimsoll/config.yaml';
  const settingProblems = [
    { place: configFile, setting: '', text: 'the file does not exist' },
    { place: `${configFile}:2`, setting: 'listn', text: 'unknown setting; did you mean listen?' },
  ];
  const wrong = await installationOf({}, { configFile, settingProblems });
  t.match(await settings.run(wrong), {
    outcome: 'problem',
    observed: `${configFile}:2: listn: unknown setting; did you mean listen?`,
  });
  const environment = { PLIMSOLL_DATADIR: '/x', DOCKER_HOST: 'tcp://192.0.2.1:2375', HOME: '/root' };
  const settingWarnings = [
    `${configFile} is ignored, it could not be read: EACCES`,
    'PLIMSOLL_DATADIR is set but means nothing; did you mean PLIMSOLL_DATA_DIR?',
  ];
  const typo = await installationOf({}, { configFile, environment, settingWarnings });
  const found = await settings.run(typo);
  t.equal(found.outcome, 'warning');
  t.match(
    found.observed,
    /^PLIMSOLL_DATADIR is set but means nothing; did you mean PLIMSOLL_DATA_DIR\?; DOCKER_HOST is tcp:/,
  );
  const good = await installationOf(
    {},
    { environment: { PLIMSOLL_LISTEN: '127.0.0.1:1', PLIMSOLL_API: '127.0.0.1:2' } },
  );
  t.match(await settings.run(good), { outcome: 'ok', observed: /set: PLIMSOLL_API, PLIMSOLL_LISTEN$/ });
});
