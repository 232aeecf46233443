import t from 'tap';
import { php } from '../../../../image/inventory/language/php.ts';
import { detectIn } from './detect.ts';

const INSTALLED = '/app/vendor/composer/installed.json';
const list = [
  { name: 'symfony/console', version: 'v6.4.1', version_normalized: '6.4.1.0', type: 'library' },
  { name: 'Monolog/Monolog', version: '3.5.0', type: 'library' },
  { name: 'acme/branch', version: 'dev-main', type: 'library' },
  { name: 'acme/all', version: '1.0.0', type: 'metapackage' },
];
const wanted = ['acme/branch dev-main', 'monolog/monolog 3.5.0', 'symfony/console 6.4.1'];

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
