import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { createInventory } from '../../../agent/inventory/inventory.ts';
import { keptNodeId, nodeId } from '../../../agent/inventory/node-id.ts';
import { operatingSystem } from '../../../agent/inventory/os-release.ts';
import { detectVirtualization } from '../../../agent/inventory/virtualization.ts';
import { nodeSchema } from '../../../posture/fact/node.ts';

const makeNodeId = (): Promise<string> => Promise.resolve('0'.repeat(32));

void t.test('this machine', async (t) => {
  const inventory = createInventory({ host: createLinuxHost(), agentVersion: '9.8.7', makeNodeId });
  const node = await inventory();
  t.ok(nodeSchema.parse(node).ok);
  const uname = (flag: string): string => execFileSync('uname', [flag]).toString().trim();
  t.match(node, { kernelRelease: uname('-r'), architecture: uname('-m'), name: uname('-n'), agentVersion: '9.8.7' });
  t.equal(node.cpus, readFileSync('/proc/cpuinfo', 'utf8').match(/^processor\s/gm)?.length);
  const total = /^MemTotal:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  t.equal(node.memoryBytes, Number(total) * 1024);
  t.equal(node.effectiveUid, Number(execFileSync('id', ['-u'])));
  t.equal(await inventory(), node, 'read once');
});

const urlOf = (file: string): string => JSON.stringify(new URL(`../../../agent/${file}`, import.meta.url).href);

void t.test('no process is started', (t) => {
  // Under node's permission model starting one throws.
  const program = `
    import { createLinuxHost } from ${urlOf('host/linux.ts')};
    import { createInventory } from ${urlOf('inventory/inventory.ts')};
    const makeNodeId = () => Promise.resolve('');
    const { cpus } = await createInventory({ host: createLinuxHost(), agentVersion: '1', makeNodeId })();
    console.log(cpus > 0);
  `;
  // Through env, since a test runner gives its children loaders that start threads.
  const node = ['-i', process.execPath, '--permission', '--allow-fs-read=*', '--input-type=module', '-e', program];
  const { stdout, stderr } = spawnSync('env', node, { encoding: 'utf8', timeout: 60_000 });
  t.equal(stdout, 'true\n', stderr);
  t.end();
});

void t.test('os-release', (t) => {
  // Taken from the distributions' own files, shortened.
  const cases: readonly (readonly [string, string])[] = [
    ['PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\n', 'Debian GNU/Linux 13'],
    ['NAME="Ubuntu"\r\nVERSION_ID="24.04"\r\n', 'Ubuntu 24.04'],
    ['NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\n', 'Arch Linux'],
    ["# comment\nNAME='Alpine Linux'\nVERSION_ID=3.20.1\n", 'Alpine Linux 3.20.1'],
    ['NAME="A \\"quoted\\" \\$name"\n', 'A "quoted" $name'],
    ['VERSION_ID=1\n', 'Linux 1'],
    ['', ''],
    ['NAME="cut', 'cut'],
  ];
  for (const [text, expected] of cases) t.equal(operatingSystem(text), expected);
  t.end();
});

void t.test('hypervisors', async (t) => {
  const cases = [
    [{ sys: { class: { dmi: { id: { sys_vendor: 'Amazon EC2\n', product_name: 'm5.large\n' } } } } }, 'amazon'],
    [{ sys: { class: { dmi: { id: { sys_vendor: 'QEMU\n', product_name: 'Standard PC\n' } } } } }, 'qemu'],
    [{ sys: { hypervisor: { type: 'xen\n' } } }, 'xen'],
    [{ proc: { cpuinfo: 'processor\t: 0\nflags\t\t: fpu sse2 hypervisor lahf_lm\n' } }, 'vm-other'],
    [{ proc: { cpuinfo: 'processor\t: 0\nflags\t\t: fpu sse2 lahf_lm\n' } }, ''],
    [{ sys: { class: { dmi: { id: { sys_vendor: 'Dell Inc.\n', product_name: 'PowerEdge\n' } } } } }, ''],
    [{}, ''],
  ] as const;
  for (const [tree, expected] of cases) {
    await t.test(expected === '' ? 'none' : expected, async (t) => {
      t.equal(await detectVirtualization(createLinuxHost({ root: t.testdir(tree) })), expected);
    });
  }
});

void t.test('the id of the node', async (t) => {
  const id = '0123456789abcdef0123456789abcdef';
  const of = (machineId: string): string => t.testdir({ etc: { 'machine-id': machineId } });
  t.equal(await nodeId(createLinuxHost({ root: of(`${id}\n`) }), makeNodeId), id);

  for (const unset of ['', '\n', 'uninitialized\n', `${'0'.repeat(32)}\n`, 'short\n', `${id}${id}\n`]) {
    const root = of(unset);
    const host = createLinuxHost({ root });
    const file = join(root, 'agent/node-id');
    const [first, second] = await Promise.all([
      nodeId(host, () => keptNodeId(root)),
      nodeId(host, () => keptNodeId(root)),
    ]);
    t.match(first, /^[0-9a-f]{32}$/, JSON.stringify(unset));
    t.equal(first, second, 'the same for both that asked at once');
    t.equal(await nodeId(host, () => keptNodeId(root)), first, 'kept');
    t.strictSame(readdirSync(join(root, 'agent')), ['node-id']);
    t.equal(statSync(file).mode & 0o777, 0o600);
    t.equal(statSync(join(root, 'agent')).mode & 0o777, 0o700);
  }
  const root = of('');
  t.match(await keptNodeId('/proc/none'), /^[0-9a-f]{32}$/, 'cannot be kept');
  mkdirSync(join(root, 'agent'));
  writeFileSync(join(root, 'agent/node-id'), 'damaged');
  const anew = await keptNodeId(root);
  t.equal(await keptNodeId(root), anew, 'a damaged one is replaced');
});

void t.test('the name of another node than ours', async (t) => {
  const root = t.testdir({ etc: { hostname: 'node-7\n' }, proc: { '1': { ns: {} }, self: { ns: {} } } });
  symlinkSync('uts:[1]', join(root, 'proc/1/ns/uts'));
  symlinkSync('uts:[2]', join(root, 'proc/self/ns/uts'));
  const inventory = createInventory({ host: createLinuxHost({ root }), agentVersion: '1', makeNodeId });
  t.match(await inventory(), { name: 'node-7', operatingSystem: '' });
});
