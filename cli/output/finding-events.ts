import { safeJson } from '../../api/safe.ts';
import type { Option } from '../command.ts';
import type { Context } from '../context.ts';
import type { AsffAccount, ListedFindings } from '../programs.ts';

/** What `-o asff` needs to know. */
export const ASFF_OPTIONS: readonly Option[] = Object.freeze([
  {
    name: 'aws-account',
    value: 'ID',
    summary: 'account of AWS that findings of -o asff belong to, 12 digits',
  },
  {
    name: 'aws-region',
    value: 'REGION',
    summary: 'region of Security Hub that findings of -o asff are imported into',
  },
]);

/** What is missing for `-o asff`; undefined: nothing, or the output is another one. */
export function missingAccount(context: Pick<Context, 'args'>): { problem: string; hint: string } | undefined {
  if (context.args.value('output') !== 'asff' || asffAccount(context) !== undefined) return undefined;
  return {
    problem: '-o asff needs the account and the region of Security Hub',
    hint: 'add --aws-account with 12 digits, and --aws-region such as eu-central-1',
  };
}

/** Undefined where the account or the region is missing or wrong. */
function asffAccount({ args }: Pick<Context, 'args'>): AsffAccount | undefined {
  const [account = '', region = ''] = [args.value('aws-account'), args.value('aws-region')];
  return /^\d{12}$/.test(account) && /^[a-z0-9-]{1,32}$/.test(region) ? { account, region } : undefined;
}

/** Prints findings as `-o ocsf` or `-o asff` asks. */
export async function printEvents(context: Context, listed: ListedFindings): Promise<void> {
  const { args, programs, stdout } = context;
  const account = args.value('output') === 'asff' ? asffAccount(context) : undefined;
  if (account !== undefined) return stdout.write(`${safeJson(await programs.findingAsff(listed, account), 2)}\n`);
  const events = await programs.findingEvents(listed);
  return stdout.write(events.map((event) => `${safeJson(event)}\n`).join(''));
}
