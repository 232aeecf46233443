import { boundsOf, formatAddress, isAddress, matchesAddressList, parseAddress, parseNetwork } from './address.ts';
import type { Address } from './address.ts';
import type { Condition } from './match-condition.ts';
import { groupOutcomes, stringOutcomes } from './outcomes.ts';
import { lowerCase } from './sshd-config.ts';

/** More combinations are not followed. */
const MAX_COMBINATIONS = 20_000;

/**
 * Which of the conditions can hold together: each combination once, as a bit for each condition. A connection has one
 * user with any groups, one host name, one address, and so on; a user who does not exist has no groups. undefined: there
 * are too many.
 */
export function combinationsOf(conditions: readonly Condition[]): readonly bigint[] | undefined {
  const all = (1n << BigInt(conditions.length)) - 1n;
  const never = conditions.reduce((bits, { isNever }, index) => (isNever ? bits | (1n << BigInt(index)) : bits), 0n);
  let combinations: readonly bigint[] = [all & ~never];
  for (const kinds of [
    ['group', 'invalid-user'],
    ['user'],
    ['host'],
    ['address'],
    ['localaddress'],
    ['localport'],
    ['rdomain'],
  ]) {
    const mine = kindCombinations(conditions, kinds, all);
    if (mine === undefined) return undefined;
    const joined = new Set<bigint>();
    for (const before of combinations) for (const bits of mine) joined.add(before & bits);
    if (joined.size > MAX_COMBINATIONS) return undefined;
    combinations = [...joined];
  }
  return combinations;
}

/** The combinations as far as these criteria go; conditions without them have their bit set. */
function kindCombinations(
  conditions: readonly Condition[],
  kinds: readonly string[],
  all: bigint,
): readonly bigint[] | undefined {
  const [kind = '', invalid = ''] = kinds;
  const lists = [...new Set(conditions.flatMap(({ criteria }) => criteria.get(kind) ?? []))];
  const outcomes = outcomesOf(kind, lists);
  if (outcomes === undefined) return undefined;
  const bitsOf = (holds: (condition: Condition) => boolean): bigint =>
    conditions.reduce((bits, condition, index) => (holds(condition) ? bits : bits & ~(1n << BigInt(index))), all);
  const bits = outcomes.map((outcome) => {
    const held = new Set(lists.filter((_, index) => outcome[index] === true));
    return bitsOf(
      ({ criteria }) => !criteria.has(invalid) && (criteria.get(kind) ?? []).every((list) => held.has(list)),
    );
  });
  const hasInvalid = conditions.some(({ criteria }) => criteria.has(invalid));
  return [...new Set(hasInvalid ? [...bits, bitsOf(({ criteria }) => !criteria.has(kind))] : bits)];
}

function outcomesOf(kind: string, lists: readonly string[]): readonly (readonly boolean[])[] | undefined {
  if (lists.length === 0) return [[]];
  const matches = (outcome: readonly number[]): readonly boolean[] => outcome.map((each) => each === 1);
  switch (kind) {
    case 'group':
      return groupOutcomes(lists)?.map(matches);
    case 'host':
      return stringOutcomes(lists.map(lowerCase))?.map(matches);
    case 'address':
    case 'localaddress':
      return addressOutcomes(lists);
    case 'localport': {
      const ports = lists.map(Number);
      return [undefined, ...new Set(ports)].map((port) => ports.map((each) => each === port && port !== undefined));
    }
    default:
      return stringOutcomes(lists)?.map(matches);
  }
}

/** Addresses of which one is in each region that the lists tell apart: at and beside the bounds of each network. */
function addressOutcomes(lists: readonly string[]): readonly (readonly boolean[])[] | undefined {
  const entries = [...new Set(lists.flatMap((list) => list.split(',')).map((entry) => entry.replace(/^!/, '')))];
  const samples = new Map<string, Address>();
  const add = (address: Address): void => {
    if (isAddress(address)) samples.set(formatAddress(address), address);
  };
  for (const text of ['203.0.113.77', '2001:db8:ffff::77']) add(parseAddress(text) ?? { family: 4, value: 0n });
  for (const entry of entries) {
    const network = parseNetwork(entry);
    for (const each of typeof network === 'string' ? octetNetworks(entry) : [network]) {
      const { first, last } = boundsOf(each);
      for (const value of [first - 1n, first, last, last + 1n]) add({ family: each.family, value });
    }
  }
  for (const entry of entries) {
    if (typeof parseNetwork(entry) !== 'string' || octetNetworks(entry).length > 0) continue;
    for (const text of patternSamples(entry, [...samples.keys()])) {
      const address = parseAddress(text);
      if (address !== undefined) add(address);
    }
    if (samples.size > MAX_COMBINATIONS) return undefined;
  }
  if (samples.size * lists.length > MAX_COMBINATIONS * 10) return undefined;
  const outcomes = new Map<string, readonly boolean[]>();
  for (const address of samples.values()) {
    const outcome = lists.map((list) => matchesAddressList(list, address));
    outcomes.set(outcome.join(), outcome);
  }
  return [...outcomes.values()];
}

/** `10.1.*` is the network 10.1.0.0/16. */
function octetNetworks(
  pattern: string,
): readonly { readonly family: 4; readonly value: bigint; readonly prefixLength: number }[] {
  const octets = /^((?:\d{1,3}\.){1,3})\*$/.exec(pattern)?.[1]?.slice(0, -1).split('.') ?? [];
  const address = octets.length === 0 ? undefined : parseAddress([...octets, '0', '0', '0', '0'].slice(0, 4).join('.'));
  return address === undefined ? [] : [{ family: 4, value: address.value, prefixLength: octets.length * 8 }];
}

/** Texts that a pattern with wildcards may fit, some of them addresses; those of `others` as far as they can be used. */
function patternSamples(pattern: string, others: readonly string[]): readonly string[] {
  const fills = ['0', '1', '255', '0.0', '0.0.0', '0.0.0.0', '1.1', ':', ':1', '::', '1:1', 'f', '0:0:0:0:0:0:1'];
  const octets = others
    .slice(0, 64)
    .flatMap((text) => text.split(/[.:]/))
    .filter((each) => each !== '');
  const pieces = pattern.split(/(\*+|\?)/);
  let texts = [''];
  for (const piece of pieces) {
    const choices = piece.startsWith('*')
      ? ['', ...fills, ...new Set(octets)]
      : piece === '?'
        ? ['0', '1', '5', '9', 'a', 'f']
        : [piece];
    texts = texts.flatMap((text) => choices.map((choice) => text + choice)).slice(0, 2000);
  }
  return texts;
}
