import { observed } from '../observed.ts';
import * as s from '../schema.ts';

const shares = (doc: string) =>
  s.object(
    {
      avg10: s.number('percent of the last 10 s'),
      avg60: s.number('percent of the last 60 s'),
      avg300: s.number('percent of the last 5 min'),
    },
    doc,
  );

/** One file of `/proc/pressure`, Documentation/accounting/psi.rst of the kernel. */
export const pressureSchema = s.object({
  some: shares('share of time in which at least one task waited'),
  full: s.nullable(shares('share of time in which all tasks waited'), 'null: the kernel does not report it'),
});
/** See {@link pressureSchema}. */
export type Pressure = s.Infer<typeof pressureSchema>;

/** Size and free room of a file system, statfs(2). */
export const fileSystemSchema = s.object({
  totalBytes: s.integer('size'),
  availableBytes: s.integer('free for users other than root'),
  totalFiles: s.integer('inodes; 0: the file system has no fixed number'),
  availableFiles: s.integer('free inodes; 0 where `totalFiles` is 0'),
});
/** See {@link fileSystemSchema}. */
export type FileSystem = s.Infer<typeof fileSystemSchema>;

/** Number of containers of an engine, by state. */
export const containerCountsSchema = s.object({
  running: s.integer('running containers'),
  paused: s.integer('paused containers'),
  stopped: s.integer('containers that are created, exited or dead'),
});

const engineStatusSchema = s.object({
  endpoint: s.string('`unix:///var/run/docker.sock`', 4096),
  runtime: s.string('`docker`, `podman` or another container runtime; `unknown`: it has not answered', 32),
  version: observed(s.string('', 128), 'version of the runtime'),
  containers: observed(containerCountsSchema, 'number of containers by state'),
  dataRoot: observed(s.string('', 4096), 'directory of images, volumes and containers'),
  dataFileSystem: observed(fileSystemSchema, 'file system of the data root'),
});
/** See {@link engineStatusSchema}. */
export type EngineStatus = s.Infer<typeof engineStatusSchema>;

/**
 * How the machine is doing at this moment. An agent reads it when a query names it, not in its rounds: it changes with
 * every read, and no check judges it.
 */
export const nodeStatusSchema = s.object(
  {
    readAtMs: s.integer('time of the node when this was read, milliseconds since 1970, UTC'),
    bootedAtMs: observed(s.integer(), '`btime` of `/proc/stat`; milliseconds since 1970, UTC'),
    uptimeSeconds: observed(s.integer(), '`/proc/uptime`'),
    load: observed(
      s.object({
        oneMinute: s.number('over 1 minute'),
        fiveMinutes: s.number('over 5 minutes'),
        fifteenMinutes: s.number('over 15 minutes'),
      }),
      'average number of runnable and blocked tasks, `/proc/loadavg`',
    ),
    memory: observed(
      s.object({
        totalBytes: s.integer('MemTotal'),
        availableBytes: s.integer('MemAvailable: for programs, without swapping'),
      }),
      '`/proc/meminfo`',
    ),
    swap: observed(
      s.object({ totalBytes: s.integer('SwapTotal'), usedBytes: s.integer('SwapTotal less SwapFree') }),
      '`/proc/meminfo`',
    ),
    pressure: s.object(
      {
        cpu: observed(pressureSchema, '`/proc/pressure/cpu`'),
        memory: observed(pressureSchema, '`/proc/pressure/memory`'),
        io: observed(pressureSchema, '`/proc/pressure/io`'),
      },
      'time that tasks waited for CPU, memory and I/O, `/proc/pressure`; absent where the kernel does not measure it',
    ),
    openFiles: observed(
      s.object({ allocated: s.integer('file handles in use'), limit: s.integer('`fs.file-max`, at most 2^53 - 1') }),
      '`/proc/sys/fs/file-nr`',
    ),
    processes: observed(s.integer(), 'number of processes of the machine'),
    rootFileSystem: observed(fileSystemSchema, 'file system of `/`'),
    engines: s.list(engineStatusSchema, 'container engines, the one of the fact `docker` first', 64),
    clockSetAtMs: observed(
      s.integer(),
      'when systemd-timesyncd last set the clock; absent where it does not run or has no server: another time service may',
    ),
    agent: observed(
      s.object({
        rssBytes: s.integer('resident memory'),
        cpuMillicores: s.integer('CPU time over the last minute, in thousandths of a core'),
      }),
      'what the agent itself uses',
    ),
  },
  'how the machine is doing at this moment; read only when a query names it',
);
/** See {@link nodeStatusSchema}. */
export type NodeStatusFact = s.Infer<typeof nodeStatusSchema>;
