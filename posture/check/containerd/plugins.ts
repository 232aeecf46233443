import type { ContainerdDaemon } from '../../fact/containerd.ts';
import type { Facts } from '../../fact/facts.ts';
import { fail, manual, pass, unknownBecause } from '../../verdict.ts';
import { quote, quoteList } from '../evidence-text.ts';
import { longList } from '../long-list.ts';
import { parameterized } from '../parameter.ts';
import { containerdCheck } from './containerd-checks.ts';

/** Without these, no kubelet uses the daemon, as with that of Docker. */
const CRI_PLUGINS: ReadonlySet<string> = new Set([
  'cri',
  'io.containerd.cri.v1.images',
  'io.containerd.cri.v1.runtime',
  'io.containerd.grpc.v1.cri',
]);

export const plugins = parameterized(
  {
    expected: {
      doc: 'names of plugins: files of the Node Resource Interface (`10-device-injector`), proxy plugins (`stargz`), and plugins that may be disabled (`io.containerd.internal.v1.opt`)',
      default: [] as readonly string[],
    },
  },
  ({ expected }) =>
    containerdCheck({
      id: 'containerd.plugins',
      title: 'Configured plugins of containerd are expected',
      failTitle: 'Unexpected plugins of containerd are configured',
      severity: 'medium',
      rationale:
        'A plugin of the Node Resource Interface changes containers before they start, and a proxy plugin supplies their file systems. A plugin of containerd that is disabled, such as the verifier of images, protects nothing.',
      remediation:
        'Remove what nobody needs from the directory of the Node Resource Interface (/opt/nri/plugins), from [proxy_plugins] and from disabled_plugins of config.toml, and restart containerd. Name the others in the parameter expected of a profile. Plugins that connect to the socket of the interface are judged by containerd.node-resource-interface.',
      reference: 'https://github.com/containerd/containerd/blob/main/docs/PLUGINS.md',
      needsCri: false,
      judge: (daemon, { containerds }) => {
        const { found, unread } = pluginsOf(daemon, containerds);
        const rest = {
          source: daemon.config,
          expected: expected.length === 0 ? 'plugins that you expect' : `among ${quoteList(expected)}`,
        };
        const items = found
          .filter(({ name }) => !expected.includes(name))
          .map(({ name, source, seen }) => ({ name, evidence: { ...rest, source, seen: quote(seen) } }));
        const evidence = longList(items, rest);
        if (items.length > 0 && expected.length > 0)
          return fail('a plugin is configured or disabled that is not expected', ...evidence);
        if (unread !== undefined) return unknownBecause(unread, ...evidence);
        if (items.length > 0)
          return manual('no expected plugins are configured: is each of these needed?', ...evidence);
        return pass({ ...rest, seen: quoteList(found.map(({ name }) => name)) });
      },
    }),
);

/** The plugins beside those that containerd itself runs, those of it that are disabled, and what could not be read. */
function pluginsOf(
  { proxyPlugins: proxies, disabledPlugins: disabled }: ContainerdDaemon,
  { nriSocket, nriPlugins }: Facts['containerds'],
): {
  readonly found: readonly { readonly name: string; readonly source: string; readonly seen: string }[];
  readonly unread: string | undefined;
} {
  // While the interface is off, nothing starts the files in its directory.
  const started = nriSocket.state === 'absent' ? nriSocket : nriPlugins;
  const unreadable = [proxies, disabled, nriSocket, started].flatMap((each) =>
    each.state === 'unreadable' ? [`${each.source}: ${each.reason}`] : [],
  );
  const found = [
    ...(started.state === 'seen'
      ? started.value.map((name) => ({ name, source: started.source, seen: `NRI plugin ${name}` }))
      : []),
    ...(proxies.state === 'seen'
      ? proxies.value.map(({ name, address }) => ({
          name,
          source: proxies.source,
          seen: `proxy plugin ${name} at ${address === '' ? 'no address' : address}`,
        }))
      : []),
    ...(disabled.state === 'seen'
      ? disabled.value
          .filter((name) => !CRI_PLUGINS.has(name))
          .map((name) => ({ name, source: disabled.source, seen: `disabled: ${name}` }))
      : []),
  ];
  return { found, unread: unreadable[0] };
}
