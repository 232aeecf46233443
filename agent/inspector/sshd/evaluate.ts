import { ALGORITHM_KEYWORDS } from './algorithms.ts';
import type { PlacedDirective } from './expand-config.ts';
import { CHALLENGE_RESPONSE, isSetByMatch, KBD_INTERACTIVE_SINCE, keywordOf } from './keywords.ts';
import { fitsFamily } from './readers.ts';
import type { SshdProgram } from './release.ts';
import { offered } from './values.ts';
import type { Line, Option, Options, ConfigError } from './values.ts';

const KBD_INTERACTIVE = 'kbdinteractiveauthentication';

/** Of these, `NONE` outside of a Match is shown as `none`. */
const NONE_IN_ANY_CASE = ['authorizedprincipalsfile', 'channeltimeout', 'persourcepenaltyexemptlist'];

/** What the lines are evaluated with. */
export type Surroundings = Pick<Line, 'program' | 'homes' | 'services'>;

/** A problem and the line that has it. */
export interface PlacedProblem extends ConfigError {
  readonly place: string;
}

/** What is set when sshd starts; or why it does not start. */
export type Start =
  { readonly ok: true; readonly options: Options } | { readonly ok: false; readonly problem: PlacedProblem };

/**
 * Reads all lines as sshd does when it starts: those outside of any Match, and in `Match all`, take effect, and the first
 * of a keyword counts; all others are checked.
 */
export function evaluateStart(directives: readonly PlacedDirective[], surroundings: Surroundings): Start {
  const options: Options = new Map();
  const problems = readLines(directives, ({ isStart }) => isStart, options, surroundings);
  turnOnInteractive(options, surroundings.program);
  for (const name of NONE_IN_ANY_CASE) {
    const option = options.get(name);
    if (option?.values[0]?.toLowerCase() === 'none') options.set(name, { ...option, values: ['none'] });
  }
  const problem = problems.find(({ kind }) => kind === 'refused') ?? problems[0] ?? startProblem(options, surroundings);
  return problem === undefined ? { ok: true, options } : { ok: false, problem };
}

/**
 * The settings of connections for which `holds` says which blocks hold: what is set at the start, and over it the first
 * line of each keyword among those blocks. undefined: sshd ends such connections.
 */
export function evaluateMatch(
  directives: readonly PlacedDirective[],
  holds: (block: number) => boolean,
  start: Options,
  surroundings: Surroundings,
): Options | undefined {
  const inside: Options = new Map();
  const isActive = ({ block }: PlacedDirective): boolean => block !== -1 && holds(block);
  if (readLines(directives.filter(isActive), isActive, inside, surroundings).length > 0) return undefined;
  const options = new Map(start);
  for (const [name, option] of inside) {
    // sshd takes a pattern of variables from a Match as well, though the keyword is not allowed in most.
    const isPattern = name === 'permituserenvironment' && !['yes', 'no'].includes(option.values[0] ?? '');
    if (isSetByMatch(name) || isPattern) options.set(name, option);
  }
  const lists = ALGORITHM_KEYWORDS.filter((keyword) => inside.has(keyword));
  return lists.every((keyword) => isListTaken(keyword, options, surroundings)) ? options : undefined;
}

function readLines(
  directives: readonly PlacedDirective[],
  isActive: (directive: PlacedDirective) => boolean,
  options: Options,
  surroundings: Surroundings,
): readonly PlacedProblem[] {
  const problems: PlacedProblem[] = [];
  for (const directive of directives) {
    const problem = readLine(directive, isActive(directive), options, surroundings);
    if (problem !== undefined) problems.push({ ...problem, place: directive.place });
  }
  return problems;
}

function readLine(
  { keyword: written, args, rest, place, isStart }: PlacedDirective,
  isActive: boolean,
  options: Options,
  surroundings: Surroundings,
): ConfigError | undefined {
  const keyword = keywordOf(written, surroundings.program);
  if (keyword === undefined) return { kind: 'refused', text: 'sshd does not know the keyword' };
  if (keyword === 'unknown') return { kind: 'unknown', text: 'it is not known whether this sshd knows the keyword' };
  if (!keyword.inMatch && !isStart) return { kind: 'refused', text: `${written} is not allowed in a Match block` };
  const left = [...args];
  const line = { ...surroundings, keyword: keyword.name, args: left, rest, isActive, source: place, options };
  const problem = keyword.read(line);
  if (problem !== undefined) return { kind: problem.kind, text: `${written}: ${problem.text}` };
  return left.length > 0 ? { kind: 'refused', text: `${written}: more arguments than sshd accepts` } : undefined;
}

/** Before 8.7, ChallengeResponseAuthentication, which is `yes` by default, turns KbdInteractiveAuthentication on. */
function turnOnInteractive(options: Options, { release }: SshdProgram): void {
  if (release === undefined || release >= KBD_INTERACTIVE_SINCE) return;
  const { values, source } = options.get(CHALLENGE_RESPONSE) ?? { values: ['yes'], source: 'default' };
  const isOn = values[0] === 'yes';
  if (isOn || !options.has(KBD_INTERACTIVE)) options.set(KBD_INTERACTIVE, { values: [isOn ? 'yes' : 'no'], source });
}

/** What sshd checks when all lines are read. */
function startProblem(options: Options, surroundings: Surroundings): PlacedProblem | undefined {
  const refuse = (keyword: string, text: string): PlacedProblem => ({
    kind: 'refused',
    place: options.get(keyword)?.source ?? 'default',
    text: `${keyword}: ${text}`,
  });
  const list = ALGORITHM_KEYWORDS.find((keyword) => !isListTaken(keyword, options, surroundings));
  if (list !== undefined) return refuse(list, 'no algorithm is left, or a pattern has an exclamation mark');
  for (const command of ['authorizedkeyscommand', 'authorizedprincipalscommand'])
    if (!['none', ''].includes(valueOf(options, command, '').toLowerCase()) && !options.has(`${command}user`))
      return refuse(command, `needs ${command}user`);
  const methods = options.get('authenticationmethods')?.values ?? ['any'];
  const isSatisfiable = (method: string): boolean => isEnabled(method.split(':', 1)[0] ?? '', options);
  if (methods[0] !== 'any' && !methods.some((each) => each.split(',').every(isSatisfiable)))
    return refuse('authenticationmethods', 'no list has only methods that are enabled');
  const family = valueOf(options, 'addressfamily', 'any');
  if (options.get('listenaddress')?.values.every((address) => fitsFamily(address, family)) === false)
    return refuse('listenaddress', 'an address is not of the family of AddressFamily');
  return undefined;
}

const valueOf = (options: Options, keyword: string, fallback: string): string =>
  options.get(keyword)?.values[0] ?? fallback;

function isEnabled(method: string, options: Options): boolean {
  switch (method) {
    case 'publickey':
      return valueOf(options, 'pubkeyauthentication', 'yes') === 'yes';
    case 'password':
      return valueOf(options, 'passwordauthentication', 'yes') === 'yes';
    case 'keyboard-interactive':
      return valueOf(options, 'kbdinteractiveauthentication', 'yes') === 'yes';
    case 'hostbased':
      return valueOf(options, 'hostbasedauthentication', 'no') === 'yes';
    case 'gssapi-with-mic':
      return valueOf(options, 'gssapiauthentication', 'no') === 'yes';
    case 'gssapi-keyex':
      return valueOf(options, 'gssapikeyexchange', 'no') === 'yes';
    default:
      return true;
  }
}

function isListTaken(
  keyword: (typeof ALGORITHM_KEYWORDS)[number],
  options: ReadonlyMap<string, Option>,
  { program }: Surroundings,
): boolean {
  return offered(keyword, options.get(keyword)?.values[0], program) !== undefined;
}
