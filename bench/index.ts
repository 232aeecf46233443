// What can be measured. Usage: npm run bench -- NAME [options]; without a name: the list.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BENCHMARKS = Object.freeze({
  scan: 'one `plimsoll scan`: CPU, time and memory, beside `docker inspect` and docker-bench-security',
  agent: 'a running agent: memory, idle CPU and wire, a sweep, from the start of a container to its row',
  soak: 'a simulated day with containers that come and go: growth of memory, descriptors and spool',
  fleet: 'a collector with thousands of simulated agents: memory, heartbeats, changes, live query, a storm',
  inventory: 'the packages of a directory in place: cold and warm, beside a walk of its directories',
  images: 'the images of a fleet: matching with a new database, and who is affected by one advisory',
  vulndb: 'the vulnerability database: build, size, matching an image and the package versions of a fleet',
  admission:
    'a replica of the admission webhook: latency, CPU and memory, loading a snapshot, beside a bare HTTPS server',
  sinks: 'delivery of events to NDJSON and syslog over TLS, dead sinks, a receiver that catches up',
  ingest: 'finding changes a second, from the stream to the commit of the collector',
});

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !Object.hasOwn(BENCHMARKS, name)) {
  console.log('Usage: npm run bench -- NAME [options]; NAME --help says which options there are.\n');
  for (const [each, what] of Object.entries(BENCHMARKS)) console.log(`  ${each.padEnd(9)} ${what}`);
  process.exitCode = name === undefined || name === '--help' ? 0 : 2;
} else {
  const script = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit' });
  // Ctrl-C reaches the whole group; the benchmark cleans up, and we wait for it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void child.kill(signal));
  child.on('exit', (code) => (process.exitCode = code ?? 1));
}
