import type { Command } from '../command.ts';

/** Every command by name, sorted, each loaded when it is asked for. A test compares this with the directory. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = Object.freeze({
  admission: async () => (await import('./admission.ts')).admission,
  agent: async () => (await import('./agent.ts')).agent,
  audit: async () => (await import('./audit.ts')).audit,
  authz: async () => (await import('./authz.ts')).authz,
  benchmarks: async () => (await import('./benchmarks.ts')).benchmarks,
  broker: async () => (await import('./broker.ts')).broker,
  ca: async () => (await import('./ca.ts')).ca,
  checks: async () => (await import('./checks.ts')).checks,
  collector: async () => (await import('./collector.ts')).collector,
  completion: async () => (await import('./completion.ts')).completion,
  compliance: async () => (await import('./compliance.ts')).compliance,
  config: async () => (await import('./config.ts')).config,
  console: async () => (await import('./console.ts')).console,
  deadletter: async () => (await import('./deadletter.ts')).deadletter,
  denials: async () => (await import('./denials.ts')).denials,
  detections: async () => (await import('./detections.ts')).detections,
  doctor: async () => (await import('./doctor.ts')).doctor,
  explain: async () => (await import('./explain.ts')).explain,
  findings: async () => (await import('./findings.ts')).findings,
  fixes: async () => (await import('./fixes.ts')).fixes,
  gate: async () => (await import('./gate.ts')).gate,
  help: async () => (await import('./help.ts')).help,
  image: async () => (await import('./image.ts')).image,
  images: async () => (await import('./images.ts')).images,
  'join-token': async () => (await import('./join-token.ts')).joinToken,
  login: async () => (await import('./login.ts')).login,
  logout: async () => (await import('./logout.ts')).logout,
  nodes: async () => (await import('./nodes.ts')).nodes,
  policy: async () => (await import('./policy.ts')).policy,
  query: async () => (await import('./query.ts')).query,
  record: async () => (await import('./record.ts')).record,
  rollout: async () => (await import('./rollout.ts')).rollout,
  rollouts: async () => (await import('./rollouts.ts')).rollouts,
  scan: async () => (await import('./scan.ts')).scan,
  sink: async () => (await import('./sink.ts')).sink,
  sinks: async () => (await import('./sinks.ts')).sinks,
  status: async () => (await import('./status.ts')).status,
  token: async () => (await import('./token.ts')).token,
  up: async () => (await import('./up.ts')).up,
  version: async () => (await import('./version.ts')).version,
  vulndb: async () => (await import('./vulndb.ts')).vulndb,
  vulnerabilities: async () => (await import('./vulnerabilities.ts')).vulnerabilities,
  waivers: async () => (await import('./waivers.ts')).waivers,
  whoami: async () => (await import('./whoami.ts')).whoami,
});

/** The names of all commands, sorted. */
export const COMMAND_NAMES: readonly string[] = Object.freeze(Object.keys(COMMANDS));

/** The command with this name; undefined if no command has it. */
export async function loadCommand(name: string): Promise<Command | undefined> {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name]?.() : undefined;
}
