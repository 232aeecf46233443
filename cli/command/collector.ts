import { defineCommand } from '../command.ts';
import { runService } from '../run-service.ts';

export const collector = defineCommand({
  name: 'collector',
  summary: 'run the collector: store findings, serve the API',
  usage: ['collector [options]'],
  description: [
    'Accepts connections of agents (gRPC, mutual TLS), stores their findings and the history, delivers events to the sinks, and serves the operator API and the console over HTTP. Runs in the foreground and logs to standard error.',
    'The first start creates the CA of the fleet, the certificate of the collector, the operator token and the store in the data directory, readable by their owner only.',
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
