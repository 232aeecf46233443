import t from 'tap';
import {
  infoSchema,
  parseInterContainer,
  parseSecurityOption,
  toDockerApi,
  versionSchema,
} from '../../../../agent/runtime/docker/engine.ts';
import { dockerApiSchema } from '../../../../posture/fact/docker.ts';
import type { DockerApi } from '../../../../posture/fact/docker.ts';
import { seen } from '../../../../posture/observed.ts';
import { dockerApi } from '../../../fixture/facts.ts';
import { recordedJson } from '../../../fixture/inspector/read.ts';

function api(info: unknown, version?: unknown): DockerApi {
  const parsed = infoSchema.parse(info);
  if (!parsed.ok) throw new Error(parsed.problem);
  const known = version === undefined ? undefined : versionSchema.parse(version);
  return toDockerApi(parsed.value, known?.ok === true ? known.value : undefined);
}

t.test('a recorded daemon, as `docker info` printed it', (t) => {
  const fact = api(recordedJson('docker/info.json'), recordedJson('docker/version.json'));
  t.ok(dockerApiSchema.parse(fact).ok);
  t.same(seen(fact, 'GET /info'), dockerApi());
  t.end();
});

t.test('security options', (t) => {
  t.same(parseSecurityOption('name=seccomp,profile=unconfined'), {
    name: 'seccomp',
    options: { profile: 'unconfined' },
  });
  t.same(parseSecurityOption('name=userns'), { name: 'userns', options: {} });
  t.same(parseSecurityOption('seccomp'), { name: 'seccomp', options: {} });
  t.same(parseSecurityOption('name=x,__proto__=y,=z'), { name: 'x', options: { '': 'z' } });
  t.end();
});

t.test('registries that are trusted without TLS', (t) => {
  const { insecureRegistries } = api({
    RegistryConfig: {
      InsecureRegistryCIDRs: ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '127.0.0.0/4'],
      IndexConfigs: {
        'docker.io': { Name: 'docker.io', Secure: true },
        'registry.shop:5000': { Secure: false },
        'localhost:5000': { Secure: false },
        '127.0.0.1:5000': { Secure: false },
      },
    },
  });
  t.same(insecureRegistries, ['10.0.0.0/8', '127.0.0.0/4', 'registry.shop:5000']);
  t.end();
});

t.test('components: only those that are judged, each once, and none of an old engine', (t) => {
  const components = [
    { Name: 'Podman Engine', Version: '5.4.2' },
    { Name: 'runc', Version: 'x'.repeat(200) },
    { Name: 'runc', Version: '1.5.3' },
  ];
  t.match(api({}, { Version: '5.4.2', Components: components }).components, [{ name: 'runc', version: /^x{1,128}/ }]);
  t.same(api({}, { Version: '17.03.2-ce' }).components, []);
  t.same(api({}, { Version: '26.1.5', Components: null }).components, []);
  t.end();
});

t.test('what an engine leaves out', (t) => {
  t.match(api({}), { version: '', swarm: 'inactive', authorizationPlugins: [], securityOptions: [] });
  t.match(api({ Plugins: { Authorization: null }, RegistryConfig: null, Swarm: { LocalNodeState: 'active' } }), {
    authorizationPlugins: [],
    swarm: 'active',
  });
  t.match(infoSchema.parse('no'), { ok: false });
  t.end();
});

t.test('the default bridge', (t) => {
  const icc = (value: string): Record<string, string> => ({ 'com.docker.network.bridge.enable_icc': value });
  t.equal(parseInterContainer({ Options: icc('true') }), true);
  t.equal(parseInterContainer({ Options: icc('false') }), false);
  t.equal(parseInterContainer({ Options: {} }), true, 'on by default');
  t.end();
});
