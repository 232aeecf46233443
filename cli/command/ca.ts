import { authorityState } from '../../api/authority.ts';
import { dateTime } from '../../api/format.ts';
import { parseDuration } from '../../service/duration.ts';
import { connect } from '../api/connect.ts';
import { defineCommand, EXIT_OK, OUTPUT_OPTION, QUIET_OPTION } from '../command.ts';
import { printListing } from '../output/listing.ts';
import { printError, printFailure } from '../print-error.ts';

const DAY_MS = 86_400_000;
const SEE = 'see: plimsoll ca --help';

export const ca = defineCommand({
  name: 'ca',
  summary: 'show or rotate the CA of the fleet',
  usage: ['ca [options]', 'ca rotate [options]'],
  description: [
    'Shows the CA that signs the certificates of the collector and of the nodes, with the hash that a joining host checks. While the CA is rotated there are two. The certificates themselves are in the JSON output, for a ConfigMap or a file of join-ca-file.',
    'rotate makes a new CA. Until the overlap ends, both are trusted, and each node receives the new one when it renews its certificate, once a day. Then only the new CA is trusted. A host that was away during the whole overlap needs a new join token, and its old ca.pem has to be removed; an agent in a pod needs the new CA in its join-ca-file.',
  ],
  operands: { min: 0, max: 1 },
  options: [
    OUTPUT_OPTION,
    QUIET_OPTION,
    { name: 'overlap', value: 'DURATION', summary: 'rotate: how long both CAs are trusted, 1d to 90d (default: 7d)' },
  ],
  settings: ['client'],
  examples: [
    { line: 'plimsoll ca', meaning: 'the CA and its hash' },
    { line: 'plimsoll ca rotate --overlap 3d', meaning: 'a new CA; the old one is trusted for three more days' },
    { line: "plimsoll ca -o jsonpath='{.authorities[*].certificatePem}'", meaning: 'the certificates in PEM' },
  ],
  run: async (context) => {
    const { args, settings, stdout } = context;
    const [action] = args.operands;
    if (action !== undefined && action !== 'rotate')
      return printError(context, `ca does not know ${JSON.stringify(action)}`, SEE);
    if (action === undefined && args.has('overlap'))
      return printError(context, '--overlap is for: plimsoll ca rotate', SEE);
    const overlapMs = parseDuration(args.value('overlap') ?? '7d');
    if (overlapMs === undefined || overlapMs < DAY_MS || overlapMs > 90 * DAY_MS)
      return printError(context, `--overlap: ${JSON.stringify(args.value('overlap'))} is not from 1d to 90d`, SEE);
    const client = await connect(settings, new AbortController().signal);
    if (!client.ok) return printFailure(context, client.problem);
    const answer =
      action === 'rotate'
        ? await client.value.post('/v1/authority/rotate', authorityState, { body: { overlapMs } })
        : await client.value.get('/v1/authority', authorityState);
    if (!answer.ok) return printFailure(context, answer.problem);
    const { authorities, rotationEndsMs } = answer.value;
    await printListing(context, {
      document: answer.value,
      items: authorities,
      names: authorities.map(({ hash }) => hash),
      columns: [{ title: 'HASH', min: 71 }, { title: 'EXPIRES' }, { title: 'STATE' }],
      rows: authorities.map(({ hash, expiresMs }, index) => [
        { text: hash },
        { text: dateTime(expiresMs) },
        { text: stateOf(index, rotationEndsMs) },
      ]),
      empty: 'The collector has no CA.',
    });
    if (action === 'rotate' && args.value('output') === undefined)
      await stdout.write(`\nBoth CAs are trusted until ${dateTime(rotationEndsMs)}.\n`);
    return EXIT_OK;
  },
});

function stateOf(index: number, rotationEndsMs: number): string {
  if (rotationEndsMs === 0) return 'current';
  return index === 0 ? `trusted until ${dateTime(rotationEndsMs)}` : 'next';
}
