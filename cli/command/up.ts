import { defineCommand } from '../command.ts';

export const up = defineCommand({
  name: 'up',
  summary: 'run a collector and an agent on this machine',
  usage: ['up [options]'],
  description: [
    'Starts a collector and an agent as two processes that communicate over gRPC with mutual TLS, judges this machine, and prints the worst failures, the address of the operator API, and then each change. Ctrl-C shuts both down; the data is kept for the next start.',
    'The first start creates keys, certificates and the operator token in the data directory, readable by their owner only. A process that crashes is restarted. The logs of both are in DATA-DIR/log; warnings are also printed.',
  ],
  operands: { min: 0, max: 0 },
  options: [],
  settings: ['up'],
  examples: [
    { line: 'sudo plimsoll up', meaning: 'watch this machine, as root for full coverage' },
    {
      line: 'plimsoll up --data-dir ./data --listen 127.0.0.1:7553 --api 127.0.0.1:7580',
      meaning: 'beside another installation',
    },
  ],
  run: async (context) => {
    const { runUp } = await import('../up/run.ts');
    return runUp(context);
  },
});
