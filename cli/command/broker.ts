import { defineCommand } from '../command.ts';
import { runService } from '../run-service.ts';

export const broker = defineCommand({
  name: 'broker',
  summary: 'read this node for an agent without privileges',
  usage: ['broker [options]'],
  description: [
    'Reads the node with its privileges and sends facts to an agent on a unix socket (plimsoll agent --broker). The agent speaks to the collector and needs no privileges; it cannot choose what is read. The broker opens no network connection, except to Docker engines on TCP that docker-host names. Runs in the foreground and logs to standard error.',
    'The permissions of the socket and its directory decide who may connect: the socket has mode 0660 and the group of the broker. One agent can connect at a time. docs/least-privilege.md lists the capabilities and mounts that it needs, and what is unknown without each.',
  ],
  operands: { min: 0, max: 0 },
  options: [],
  settings: ['broker'],
  examples: [
    { line: 'plimsoll broker --socket /run/plimsoll/broker.sock', meaning: 'on a plain host' },
    { line: 'plimsoll agent --broker unix:///run/plimsoll/broker.sock', meaning: 'the agent beside it' },
  ],
  run: (context) => runService(context, context.programs.broker),
});
