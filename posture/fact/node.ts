import * as s from '../schema.ts';

/** The machine: what does not change while the agent runs. How it is doing now is {@link import('./node-status.ts').nodeStatusSchema}. */
export const nodeSchema = s.object(
  {
    id: s.string('machine id (`/etc/machine-id`), or a generated id kept in the data directory', 256),
    name: s.string('host name', 256),
    operatingSystem: s.string('name and version of the distribution, `Debian GNU/Linux 13`', 256),
    kernelRelease: s.string('`uname -r`', 256),
    architecture: s.string('`x86_64`, `aarch64` …', 64),
    cpus: s.integer('logical processors'),
    memoryBytes: s.integer('total memory in bytes'),
    virtualization: s.string('hypervisor if one shows itself, otherwise empty', 64),
    effectiveUid: s.integer('user id that the agent itself runs as; 0 sees most'),
    agentVersion: s.string('version of the agent', 64),
  },
  'the machine',
);
/** See {@link nodeSchema}. */
export type NodeFact = s.Infer<typeof nodeSchema>;
