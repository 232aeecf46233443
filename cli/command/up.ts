import { defineCommand } from '../command.ts';

export const up = defineCommand({
  name: 'up',
  summary: 'a collector and an agent on this machine, changes as they come',
  usage: ['up [options]'],
  description: [
    'Starts a collector and an agent as two processes that talk over gRPC with mutual TLS, judges this machine, prints the worst of what was found and where the operator API is, and then each change as it happens. Ctrl-C ends both in good order; the next start finds its data again.',
    'At the first start the keys, certificates and the operator token are made, in the data directory, readable by their owner only. A part that crashes is started again. The logs of both are in DATA-DIR/log; warnings are shown here too.',
  ],
  operands: { min: 0, max: 0 },
  options: [],
  settings: ['up'],
  examples: [
    { line: 'sudo plimsoll up', meaning: 'watch this machine; root sees most' },
    {
      line: 'plimsoll up --data-dir ./data --listen 127.0.0.1:7553 --api 127.0.0.1:7580',
      meaning: 'beside another one',
    },
  ],
  run: async (context) => {
    const { runUp } = await import('../up/run.ts');
    return runUp(context);
  },
});
