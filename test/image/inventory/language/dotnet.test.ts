import t from 'tap';
import { dotnet } from '../../../../image/inventory/language/dotnet.ts';
import { detectIn } from './detect.ts';

void t.test('libraries of an application and of the runtime', (t) => {
  const application = {
    runtimeTarget: { name: '.NETCoreApp,Version=v8.0' },
    libraries: {
      'app/1.0.0': { type: 'project', serviceable: false, sha512: '' },
      'Newtonsoft.Json/12.0.1': { type: 'package', serviceable: true, sha512: 'sha512-x' },
      'runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1': { type: 'runtimepack' },
      'local.reference/1.0.0.0': { type: 'reference' },
    },
  };
  const runtime = { libraries: { 'Microsoft.AspNetCore.App.Runtime.linux-x64/8.0.2': { type: 'Package' } } };
  const found = detectIn(dotnet, {
    '/app/app.deps.json': JSON.stringify(application),
    '/usr/share/dotnet/shared/Microsoft.AspNetCore.App/8.0.2/Microsoft.AspNetCore.App.deps.json':
      JSON.stringify(runtime),
  });
  t.strictSame(found, {
    packages: [
      'Microsoft.AspNetCore.App.Runtime.linux-x64 8.0.2',
      'Microsoft.NETCore.App.Runtime.linux-x64 8.0.1',
      'Newtonsoft.Json 12.0.1',
    ],
    gaps: [],
  });
  t.end();
});

void t.test('files that cannot be used are gaps', (t) => {
  const hostile = ['', '[]', '{}', '{"libraries":[]}', '{"libraries":{"a":{"type":"package"}}}'];
  for (const text of [
    ...hostile,
    '{"__proto__":{"libraries":{}}}',
    `{"libraries":{"a/${'1'.repeat(999)}":{"type":"package"}}}`,
  ]) {
    const found = detectIn(dotnet, { '/app/app.deps.json': text });
    t.strictSame(found.packages, []);
    t.equal(found.gaps.length, 1, text.slice(0, 40));
  }
  t.end();
});
