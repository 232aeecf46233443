import { defineCommand } from '../command.ts';
import { runService } from '../run-service.ts';

export const agent = defineCommand({
  name: 'agent',
  summary: 'watch this node and stream changes to a collector',
  usage: ['agent [options]'],
  description: [
    'Judges this node, then keeps watching: events of the container runtime, changes of configuration files, and a slow sweep for what sends no event. Changes go to the collector over gRPC with mutual TLS; while it cannot be reached they wait on disk. Runs in the foreground and logs to standard error.',
    'It needs the certificate of the fleet (tls-ca) and a certificate and key of its own (tls-cert, tls-key). Where the authority of the collector lies in the same data directory, it makes its own.',
  ],
  operands: { min: 0, max: 0 },
  options: [],
  settings: ['agent'],
  examples: [
    { line: 'plimsoll agent --collector fleet.example.net:7443', meaning: 'report to a collector elsewhere' },
    { line: 'plimsoll agent --log-level debug --log-format text', meaning: 'see what it does' },
  ],
  run: (context) => runService(context, context.programs.agent),
});
