import { fail, manual, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { longList } from '../long-list.ts';
import { parameterized } from '../parameter.ts';

const MAX_PORT = 65_535;

export const openPorts = parameterized(
  {
    expected: {
      doc: 'TCP ports and ranges of ports that may be open to the network: `"22"`, `"10250"`, `"30000-32767"`',
      default: [] as readonly string[],
      form: { accepts: (text: string) => rangeOf(text) !== undefined, example: '["22", "30000-32767"]' },
    },
  },
  ({ expected }) => {
    const ranges = expected.flatMap((text) => rangeOf(text) ?? []);
    return nodeCheck({
      id: 'host.open-ports',
      title: 'TCP ports that are open to the network are expected',
      failTitle: 'Unexpected TCP ports are open to the network',
      judgedBy: 'effect',
      severity: 'medium',
      rationale:
        'A service that nobody expects is not patched and not watched: a debug server, a database that was meant for one host, the back door of an intruder.',
      remediation:
        'Name the ports that you expect in the parameter expected of a profile. Find the program behind another one with ss -ltnp, and stop it or bind it to 127.0.0.1. Ports that the kernel forwards to containers without a listening socket are judged by container.published-ports.',
      references: ['https://man7.org/linux/man-pages/man8/ss.8.html'],
      judges: 'node',
      needs: ['host'],
      judge: ({ host: { openPorts: open } }) => {
        if (open.state !== 'seen')
          return unknownBecause(open.state === 'unreadable' ? `${open.source}: ${open.reason}` : open.source);
        const { source, value } = open;
        const rest = {
          source,
          expected: ranges.length === 0 ? 'ports that you expect' : `one of ${quoteList(expected)}`,
        };
        const items = value.ports.map(({ port, addresses }) => ({
          name: String(port),
          port,
          evidence: { ...rest, seen: `port ${String(port)} on ${quoteList(addresses)}` },
        }));
        const others = value.more === 0 ? [] : [{ ...rest, seen: `${String(value.more)} more ports are open` }];
        if (items.length === 0) return pass({ ...rest, seen: 'no port is open to the network' });
        if (ranges.length === 0)
          return manual(
            'no expected ports are configured: is each of these needed?',
            ...longList(items, rest),
            ...others,
          );
        const unexpected = items.filter(({ port }) => !ranges.some(({ from, to }) => from <= port && port <= to));
        if (unexpected.length > 0)
          return fail(
            unexpected.length === 1
              ? 'a port is open that is not expected'
              : `${String(unexpected.length)} ports are open that are not expected`,
            ...longList(unexpected, rest),
            ...others,
          );
        return value.more > 0
          ? unknownBecause('more ports are open than the agent lists', ...others)
          : pass({ ...rest, seen: quoteList(items.map(({ name }) => name)) });
      },
    });
  },
);

/** `22`, `30000-32767`; undefined: neither a port nor a range. */
function rangeOf(text: string): { readonly from: number; readonly to: number } | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const from = Number(first);
  const to = Number(last);
  return from >= 1 && from <= to && to <= MAX_PORT ? { from, to } : undefined;
}
