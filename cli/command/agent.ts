import { defineCommand } from '../command.ts';
import { printError } from '../print-error.ts';
import { runService } from '../run-service.ts';

export const agent = defineCommand({
  name: 'agent',
  summary: 'run the agent: watch this node and report to a collector',
  usage: ['agent [options]', 'agent install [options]', 'agent uninstall [options]'],
  description: [
    'Judges this node, then watches it: events of the container runtime, changes of configuration files, and a periodic sweep for changes that send no event. It sends changes to the collector over gRPC with mutual TLS, and keeps them on disk while the collector is not reachable. Runs in the foreground and logs to standard error.',
    'It needs the CA certificate of the fleet (tls-ca) and its own certificate and key (tls-cert, tls-key). If the CA of the collector is in the same data directory, the agent issues its own certificate.',
    'install sets up two systemd services, starts them at every boot and joins the fleet: plimsoll-broker reads the node with two capabilities and no network, plimsoll-agent reports with a user of its own and no privileges. Settings that are given go to /etc/plimsoll/agent.env. Run it again to change settings. uninstall removes the services.',
  ],
  operands: { min: 0, max: 1, completes: 'agentAction' },
  options: [
    { name: 'dry-run', summary: 'install, uninstall: print every file and command, and change nothing' },
    {
      name: 'root',
      value: 'DIR',
      completes: 'directory',
      summary: 'install, uninstall: only files, in the file system at DIR, such as that of an image',
    },
    { name: 'purge', summary: 'uninstall: also remove certificate, spool and settings' },
  ],
  settings: ['agent'],
  examples: [
    { line: 'plimsoll agent --collector fleet.example.net:7443', meaning: 'report to a collector on another machine' },
    {
      line: 'plimsoll agent install --dry-run',
      meaning: 'what it would write and run; plimsoll join-token create prints the whole line',
    },
    { line: 'plimsoll agent --log-level debug --log-format text', meaning: 'log more, in text' },
  ],
  run: async (context) => {
    const { args, programs } = context;
    const [action] = args.operands;
    const misplaced = ['dry-run', 'root', 'purge'].find((name) => args.has(name) && action === undefined);
    if (misplaced !== undefined)
      return printError(context, `--${misplaced} is for: plimsoll agent install, plimsoll agent uninstall`);
    if (args.has('purge') && action !== 'uninstall')
      return printError(context, '--purge is for: plimsoll agent uninstall');
    switch (action) {
      case undefined:
        return runService(context, programs.agent, 'the findings of this node are not at the collector yet');
      case 'install':
        return (await import('../agent-service/install.ts')).installAgent(context);
      case 'uninstall':
        return (await import('../agent-service/install.ts')).uninstallAgent(context);
      default:
        return printError(context, `unknown action: ${JSON.stringify(action)}`, 'see: plimsoll agent --help');
    }
  },
});
