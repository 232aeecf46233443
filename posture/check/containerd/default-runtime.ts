import type { ContainerdDaemon } from '../../fact/containerd.ts';
import { fail, manual, pass, unknownBecause } from '../../verdict.ts';
import { quote, quoteList } from '../evidence-text.ts';
import { parameterized } from '../parameter.ts';
import { containerdCheck, withSetting } from './containerd-checks.ts';

type Runtime = Extract<ContainerdDaemon['runtimes'], { state: 'seen' }>['value'][number];

/** What counts where nothing is configured: runc from the search path, or where packages install it. */
const PLAIN: readonly string[] = [
  'runc',
  '/usr/bin/runc',
  '/usr/sbin/runc',
  '/usr/local/bin/runc',
  '/usr/local/sbin/runc',
];
/** Types whose shim belongs to containerd and starts runc, or the program that `BinaryName` names. */
const RUNC_TYPES: ReadonlySet<string> = new Set(['io.containerd.runc.v1', 'io.containerd.runc.v2']);
/** What containerd 1.x starts pods with that their annotation calls untrusted. */
const UNTRUSTED = 'untrusted';

export const defaultRuntime = parameterized(
  {
    allowed: {
      doc: 'programs, shims and types of runtimes that start pods without a RuntimeClass, as config.toml names them: `runc`, `/usr/bin/crun`, `io.containerd.kata.v2`',
      default: [] as readonly string[],
    },
  },
  ({ allowed }) =>
    containerdCheck({
      id: 'containerd.default-runtime',
      title: 'Default runtime of containerd is an allowed one',
      failTitle: 'Default runtime of containerd is not allowed',
      severity: 'low',
      rationale:
        'The default runtime starts every pod that asks for no other, as root. Another program than the expected one decides what confines the containers: pods lose the sandbox that they had (gVisor, Kata), or a wrapper changes each of them.',
      remediation:
        'Set default_runtime_name in the CRI plugin of config.toml to the expected handler and restart containerd, or name the program of the handler in the parameter allowed of a profile. Without the parameter, runc passes.',
      judge: (daemon) =>
        withSetting(daemon, 'cri.default_runtime_name', 'runc', (name, seen) => {
          const { runtimes } = daemon;
          if (runtimes.state === 'unreadable') return unknownBecause(`${runtimes.source}: ${runtimes.reason}`);
          const handlers = runtimes.state === 'seen' ? runtimes.value : [];
          const chosen = handlers.filter((one) => one.name === name || one.name === UNTRUSTED);
          // containerd has the handler runc without any configuration.
          if (!chosen.some((one) => one.name === name) && name !== 'runc')
            return unknownBecause(`${seen.source}: no handler is called ${quote(name)}`);
          const expected = `one of ${quoteList(allowed.length === 0 ? ['runc'] : allowed)}`;
          const programs = chosen.length === 0 ? ['runc'] : chosen.flatMap(programsOf);
          const evidence = [
            { ...seen, expected },
            ...chosen.map((one) => ({
              source: runtimes.source === '' ? seen.source : runtimes.source,
              seen: quote(`${one.name}: ${programsOf(one).join(', ')}`),
              expected,
            })),
          ];
          const known = allowed.length === 0 ? PLAIN : allowed;
          if (programs.every((program) => known.includes(program))) return pass(...evidence);
          return allowed.length === 0
            ? manual('decide whether this runtime may start pods', ...evidence)
            : fail('the default runtime is not allowed', ...evidence);
        }),
    }),
);

/** What a handler starts: its shim unless that is the one for runc, and its program. Both run as root. */
function programsOf({ name, type, shim, binary }: Runtime): readonly string[] {
  const isRunc = RUNC_TYPES.has(type) || (type === '' && name === 'runc');
  const own = shim === '' ? (isRunc ? '' : type === '' ? `${name} without runtime_type` : type) : shim;
  const named = [own, binary].filter((program) => program !== '');
  return named.length === 0 ? ['runc'] : named;
}
