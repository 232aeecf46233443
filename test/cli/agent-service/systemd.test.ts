import t from 'tap';
import type { Test } from 'tap';
import { noSystemd, PLACE, startSystemd } from '../../component/systemd.ts';
import { ROOT } from '../../../scripts/setup.mjs';

/*
 * The units under a real systemd: what systemd-analyze does not see, such as a user without a home, or a directory that
 * a service cannot write to.
 */

const NODE = process.execPath.replace(ROOT, PLACE);
const PREPARE = `
set -e; export HOME=/root; cd /
plimsoll() { "${NODE}" ${PLACE}/bin/plimsoll.js "$@" </dev/null; }
wait_for() {
  for i in $(seq 500); do if "$@" >/dev/null 2>&1; then return 0; fi; sleep 0.2; done
  echo "waited for: $*"; journalctl --no-pager -n 40 -u 'plimsoll*' -u collector; return 1
}
pid() { systemctl show -P MainPID "$1"; }
is_other() { [ "$(pid "$1")" != "$2" ] && [ "$(pid "$1")" != 0 ]; }
ask() { curl -sSf -m 60 --unix-socket /run/docker/plugins/plimsoll.sock -X POST http://plugin/Plugin.Activate; }
`;

t.test('services under systemd', { skip: noSystemd() }, async (t) => {
  const systemd = await startSystemd();
  t.teardown(systemd.stop);
  const succeed = (t: Test, script: string): string => {
    const { code, output } = systemd.run(`${PREPARE}\n${script}`);
    t.equal(code, 0, output);
    return output;
  };

  await t.test('agent install joins the fleet and starts both services; they come back when they are killed', (t) => {
    succeed(
      t,
      `ip link set lo up
systemd-run -q --unit=collector ${NODE} ${PLACE}/bin/plimsoll.js collector --data-dir /var/lib/collector --listen 127.0.0.1:7443 --enroll 127.0.0.1:7444
wait_for plimsoll join-token create --host 127.0.0.1 --data-dir /var/lib/collector
line=$(plimsoll join-token create --host 127.0.0.1 --data-dir /var/lib/collector | sed -n '/plimsoll agent install/,/^$/p' | tr -d '\\\\\\n')
plimsoll \${line#*plimsoll }`,
    );
    const connected = `plimsoll nodes --data-dir /var/lib/collector -o json | grep -q '"connected"'`;
    succeed(t, `is_connected() { ${connected}; }; wait_for is_connected`);
    succeed(
      t,
      `for unit in plimsoll-broker plimsoll-agent; do
  before=$(pid $unit); kill -KILL $before; wait_for is_other $unit $before
done
has_connected_twice() { [ "$(journalctl -u plimsoll-agent -o cat | grep -c 'connected to the collector')" = 2 ]; }
wait_for has_connected_twice`,
    );
    const show = 'systemctl show -P ActiveState -P User';
    t.equal(succeed(t, `${show} plimsoll-agent`).trim().replace(/\s+/, ' '), 'plimsoll active');
    t.equal(succeed(t, `${show} plimsoll-broker`).trim().replace(/\s+/, ' '), 'root active');
    t.end();
  });

  await t.test('a second install applies what has changed; stop ends in order; uninstall leaves no unit', (t) => {
    succeed(
      t,
      'before=$(pid plimsoll-agent); plimsoll agent install --collector 127.0.0.1:7443 --log-level debug; is_other plimsoll-agent $before',
    );
    succeed(t, `logs_more() { journalctl -u plimsoll-agent -o cat | grep -q '"level":"debug"'; }; wait_for logs_more`);
    succeed(t, 'systemctl stop plimsoll-agent plimsoll-broker');
    for (const unit of ['plimsoll-agent', 'plimsoll-broker'])
      t.equal(succeed(t, `systemctl show -P Result ${unit}`), 'success\n', unit);
    succeed(t, 'plimsoll agent uninstall --purge');
    const left = '/etc/systemd/system/plimsoll-*.service /etc/plimsoll/agent.env /var/lib/plimsoll';
    succeed(t, `for path in ${left}; do [ ! -e $path ]; done`);
    t.end();
  });

  await t.test(
    'the authorization plugin starts with the first request, and a killed or stopped one is replaced',
    (t) => {
      succeed(
        t,
        `printf '#!/bin/sh\\nexec ${NODE} ${PLACE}/bin/plimsoll.js "$@"\\n' > /usr/local/bin/plimsoll; chmod 755 /usr/local/bin/plimsoll
cp ${PLACE}/manifests/systemd/plimsoll-authz.s* /etc/systemd/system; systemctl daemon-reload
systemctl enable --now plimsoll-authz.socket; [ $(pid plimsoll-authz) = 0 ]
ask | grep -q authz`,
      );
      for (const signal of ['KILL', 'STOP']) {
        const script = `before=$(pid plimsoll-authz); kill -${signal} $before; ask | grep -q authz; is_other plimsoll-authz $before`;
        succeed(t, `again() { (${script}); }; wait_for again`);
      }
      t.end();
    },
  );
});
