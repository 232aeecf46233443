import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { installSteps, uninstallSteps } from '../../../cli/agent-service/plan.ts';
import { agentUnit, brokerUnit, environmentFile, SERVICE_PATHS } from '../../../cli/agent-service/unit-files.ts';
import { ROOT } from '../../../scripts/setup.mjs';
import { plimsoll } from '../process.ts';

const PROGRAM = { command: ['/usr/local/bin/plimsoll'] };
const UNITS = [
  { file: 'plimsoll-broker.service', text: brokerUnit(PROGRAM), maxExposure: 2.4 },
  { file: 'plimsoll-agent.service', text: agentUnit(PROGRAM), maxExposure: 1.2 },
];
const noSystemd = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'no systemd-analyze';

for (const { file, text, maxExposure } of UNITS) {
  t.test(`manifests/systemd/${file} is the unit that is installed`, (t) => {
    t.equal(readFileSync(join(ROOT, 'manifests/systemd', file), 'utf8'), text);
    t.end();
  });

  t.test(`systemd-analyze security: ${file} is at most ${String(maxExposure)}`, { skip: noSystemd }, (t) => {
    const unit = join(ROOT, 'manifests/systemd', file);
    // The threshold is in tenths.
    const args = ['security', '--offline=true', '--no-pager', `--threshold=${String(maxExposure * 10)}`, unit];
    const { status, stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
    t.equal(status, 0, /Overall exposure level.*/.exec(stdout)?.[0] ?? stdout);
    const verified = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
    const complaints = verified.stderr.split('\n').filter((line) => line !== '' && !line.includes('is not executable'));
    t.same(complaints, []);
    t.end();
  });
}

t.test('install --root writes files, changes nothing the second time; uninstall removes them', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-install-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const settings = ['--collector', 'fleet.example.net:7443', '--docker-host', 'unix:///run/podman.sock'];
  const token = `abcdefghij.${'A'.repeat(43)}`;
  const args = ['agent', 'install', '--root', root, ...settings, '--join-token', token];
  const first = await plimsoll(args);
  t.match(first, { code: 0, stderr: '' });
  const environment = join(root, SERVICE_PATHS.settings);
  t.equal(
    readFileSync(environment, 'utf8'),
    'PLIMSOLL_COLLECTOR="fleet.example.net:7443"\nPLIMSOLL_DOCKER_HOST="unix:///run/podman.sock"\n',
    'a token is used once, and is not kept',
  );
  const unit = join(root, SERVICE_PATHS.agentUnit);
  t.match(readFileSync(unit, 'utf8'), / agent --broker unix:\/\/\/run\/plimsoll\/broker\.sock/);
  const { ino } = statSync(unit);
  t.match(await plimsoll(args), { code: 0 });
  t.equal(statSync(unit).ino, ino, 'what is the same is not written again');

  writeFileSync(join(root, 'other'), '');
  t.match(await plimsoll(['agent', 'uninstall', '--root', root]), { code: 0, stdout: /--purge/ });
  t.notOk(existsSync(unit));
  t.ok(existsSync(environment), 'settings are kept');
  t.match(await plimsoll(['agent', 'uninstall', '--root', root, '--purge']), { code: 0 });
  t.notOk(existsSync(environment));
  t.ok(existsSync(join(root, 'other')));
});

t.test('a dry run prints every file and command', async (t) => {
  const collector = ['--collector', 'fleet.example.net:7443', '--join', 'fleet.example.net:7444'];
  const { code, stdout, stderr } = await plimsoll(['agent', 'install', '--dry-run', ...collector]);
  if (code !== 0) t.match(stderr, /others than root can write to/, 'from the directory of a user');
  else {
    t.match(stdout, /write \/etc\/systemd\/system\/plimsoll-broker\.service/);
    t.match(stdout, /CapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH/);
    t.match(stdout, /join the fleet at fleet\.example\.net:7444/);
    t.match(stdout, /run systemctl enable plimsoll-broker\.service plimsoll-agent\.service/);
  }
  t.notOk(existsSync(SERVICE_PATHS.agentUnit));
});

t.test('what is wrong is said before anything is written', async (t) => {
  t.match(await plimsoll(['agent', 'install', '--data-dir', '/srv/x', '--dry-run']), {
    code: 2,
    stderr: /keep their data in \/var\/lib\/plimsoll/,
  });
  t.match(await plimsoll(['agent', 'start']), { code: 2, stderr: /unknown action: "start"/ });
  t.match(await plimsoll(['agent', '--dry-run']), { code: 2, stderr: /--dry-run is for: plimsoll agent install/ });
  t.match(await plimsoll(['agent', 'install', '--purge']), { code: 2, stderr: /--purge is for/ });
});

t.test('steps, and values in an EnvironmentFile', (t) => {
  const steps = installSteps({ program: PROGRAM, variables: {}, join: 'a:1', filesOnly: false });
  const order = steps.map((step) => (step.kind === 'run' ? step.command : step.kind));
  t.same(order.slice(4), ['systemd-sysusers', 'join', 'chown', 'systemctl', 'systemctl', 'systemctl']);
  t.match(uninstallSteps({ purge: false, filesOnly: false })[0], { args: ['disable', '--now'] });
  // systemd.exec(5): within double quotes a backslash precedes ", \, $ and `.
  t.equal(environmentFile({ A: 'a"b\\c$d`e' }), 'A="a\\"b\\\\c\\$d\\`e"\n');
  t.match(
    brokerUnit({ command: ['/opt/a b/node', '/opt/100%/x.js'] }),
    'ExecStart="/opt/a b/node" "/opt/100%%/x.js" broker',
  );
  t.end();
});
