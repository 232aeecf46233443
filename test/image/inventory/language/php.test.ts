import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { php } from '../../../../image/inventory/language/php.ts';
import { realFiles } from '../../../fixture/memory-tree.ts';
import { detectIn } from './detect.ts';

const INSTALLED = '/app/vendor/composer/installed.json';
const list = [
  { name: 'symfony/console', version: 'v6.4.1', version_normalized: '6.4.1.0', type: 'library' },
  { name: 'Monolog/Monolog', version: '3.5.0', type: 'library' },
  { name: 'acme/branch', version: 'dev-main', type: 'library' },
  { name: 'acme/all', version: '1.0.0', type: 'metapackage' },
];
const wanted = ['acme/branch dev-main', 'monolog/monolog 3.5.0', 'symfony/console 6.4.1'];

const hasComposer =
  spawnSync('composer', ['--version'], { env: { ...process.env, COMPOSER_ALLOW_SUPERUSER: '1' } }).status === 0;

void t.test('finds what Composer installs and shows', { skip: hasComposer ? false : 'no Composer' }, (t) => {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-composer-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const write = (name: string, content: object): void => {
    mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, name, 'composer.json'), JSON.stringify(content));
  };
  write('one', { name: 'acme/one', version: 'v1.2.3' });
  write('two', { name: 'acme/two', version: '2.0.0-beta1' });
  const repositories = [{ 'packagist.org': false }, { type: 'path', url: '../one' }, { type: 'path', url: '../two' }];
  write('app', {
    name: 'acme/app',
    repositories,
    require: { 'acme/one': '*' },
    'require-dev': { 'acme/two': '*@dev' },
  });
  const env = { ...process.env, COMPOSER_ALLOW_SUPERUSER: '1', COMPOSER_HOME: join(root, 'home') };
  const composer = (...args: readonly string[]): string =>
    spawnSync('composer', [...args, '--no-interaction'], {
      cwd: join(root, 'app'),
      env,
      encoding: 'utf8',
      timeout: 60_000,
    }).stdout;
  composer('install', '--quiet');
  const shown = JSON.parse(composer('show', '--format=json')) as {
    installed: readonly { name: string; version: string }[];
  };
  const names = shown.installed.map(({ name, version }) => `${name} ${version.replace(/^v/, '')}`);
  t.equal(names.length, 2);
  t.strictSame(detectIn(php, realFiles(join(root, 'app'), php.matches)), { packages: names, gaps: [] });
  rmSync(join(root, 'app', 'vendor'), { recursive: true });
  const locked = detectIn(php, realFiles(join(root, 'app'), php.matches));
  t.strictSame(locked, { packages: ['acme/one 1.2.3'], gaps: [] }, 'the lock file, without development packages');
  t.end();
});

void t.test('installed.json of Composer 1 and 2', (t) => {
  t.strictSame(detectIn(php, { [INSTALLED]: JSON.stringify(list) }), { packages: wanted, gaps: [] });
  const two = JSON.stringify({ packages: list, dev: false, 'dev-package-names': [] });
  t.strictSame(detectIn(php, { [INSTALLED]: two }), { packages: wanted, gaps: [] });
  t.end();
});

void t.test('composer.lock counts where nothing is installed beside it', (t) => {
  const lock = JSON.stringify({ packages: list, 'packages-dev': [{ name: 'phpunit/phpunit', version: '10.0.0' }] });
  t.strictSame(detectIn(php, { '/app/composer.lock': lock }), { packages: wanted, gaps: [] });
  t.strictSame(detectIn(php, { '/app/composer.lock': lock, [INSTALLED]: '[]' }).packages, []);
  t.strictSame(detectIn(php, { '/app/vendor/a/b/composer.lock': lock }).packages, []);
  t.end();
});

void t.test('files that cannot be used are gaps', (t) => {
  for (const path of [INSTALLED, '/app/composer.lock']) {
    for (const text of ['', '{', '{}', 'null', '{"packages":{}}', '{"__proto__":{"packages":[]}}', '"[]"']) {
      t.equal(detectIn(php, { [path]: text }).gaps.length, 1, `${path}: ${text}`);
    }
    const broken = detectIn(php, { [path]: '{"packages":[null,1,[],{"name":"a/b"},{"name":"c/d","version":"1.0"}]}' });
    t.strictSame(broken.packages, ['c/d 1.0']);
    t.match(broken.gaps, [/4 entries have no valid name or version/]);
  }
  t.end();
});
