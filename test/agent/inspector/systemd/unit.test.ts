import t from 'tap';
import { findUnit } from '../../../../agent/inspector/systemd/find-unit.ts';
import { parseUnitFile, unitValues } from '../../../../agent/inspector/systemd/unit-file.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';

t.test('the syntax of systemd.syntax(7)', (t) => {
  const settings = parseUnitFile(
    '[Unit]\nDescription=x\n# ListenStream=1\n; ListenStream=2\n[Socket]\nListenStream=/run/docker.sock\n' +
      'ListenStream = 0.0.0.0:2375\nExec=a \\\n  b\n',
  );
  t.same(unitValues(settings, 'Socket', 'ListenStream'), ['/run/docker.sock', '0.0.0.0:2375']);
  t.same(unitValues(settings, 'Socket', 'Exec'), ['a    b']);
  const reset = parseUnitFile('[Socket]\nListenStream=1\nListenStream=\nListenStream=2\n');
  t.same(unitValues(reset, 'Socket', 'ListenStream'), ['2']);
  t.end();
});

t.test('the first directory wins, drop-ins of all directories count', async (t) => {
  const host = treeHost(t, {
    '/usr/lib/systemd/system/docker.socket': '[Socket]\nListenStream=/run/docker.sock\n',
    '/etc/systemd/system/docker.socket': '[Socket]\nListenStream=/run/own.sock\n',
    '/usr/lib/systemd/system/docker.socket.d/20-b.conf': '[Socket]\nListenStream=2375\n',
    '/etc/systemd/system/docker.socket.d/20-b.conf': '[Socket]\nListenStream=2376\n',
    '/run/systemd/system/docker.socket.d/10-a.conf': '[Socket]\nSocketGroup=ops\n',
    '/etc/systemd/system/docker.socket.d/README': '',
  });
  const unit = await findUnit(host, 'docker.socket');
  t.match(unit, {
    path: '/etc/systemd/system/docker.socket',
    isMasked: false,
    dropIns: ['/run/systemd/system/docker.socket.d/10-a.conf', '/etc/systemd/system/docker.socket.d/20-b.conf'],
  });
  if (unit === undefined || !('settings' in unit)) return;
  t.same(unitValues(unit.settings, 'Socket', 'ListenStream'), ['/run/own.sock', '2376']);
  t.equal(await findUnit(host, 'ssh.socket'), undefined);
});

t.test('masked: a link to /dev/null, or an empty file', async (t) => {
  const host = treeHost(t, {
    '/etc/systemd/system/docker.socket': '-> /dev/null',
    '/usr/lib/systemd/system/docker.socket': '[Socket]\nListenStream=2375\n',
    '/etc/systemd/system/docker.service': '',
  });
  t.match(await findUnit(host, 'docker.socket'), { isMasked: true, settings: [] });
  t.match(await findUnit(host, 'docker.service'), { isMasked: true });
});
