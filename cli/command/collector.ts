import { defineCommand } from '../command.ts';
import { runService } from '../run-service.ts';

export const collector = defineCommand({
  name: 'collector',
  summary: 'keep the posture of a fleet and answer for it',
  usage: ['collector [options]'],
  description: [
    'Waits for nodes (gRPC, mutual TLS), keeps their findings and what happened to them, ships events to the sinks, and answers operators over HTTP. Runs in the foreground and logs to standard error.',
    'At its first start it makes what is missing: the authority of the fleet and its own certificate, the operator token, and the store, all in the data directory, readable by its owner only.',
  ],
  operands: { min: 0, max: 0 },
  options: [],
  settings: ['collector'],
  examples: [
    {
      line: 'plimsoll collector --listen 0.0.0.0:7443 --tls-names fleet.example.net',
      meaning: 'for nodes on other machines',
    },
    { line: 'plimsoll collector --sink-ndjson -', meaning: 'events on standard output, for a log shipper' },
  ],
  run: (context) => runService(context, context.programs.collector),
});
