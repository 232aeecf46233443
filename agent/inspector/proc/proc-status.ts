/**
 * `/proc/PID/status` and `/proc/PID/task/TID/status`, proc_pid_status(5): one `Name:<TAB>value` a line. The kernel
 * escapes newline and backslash in `Name`, so a process cannot write a line of its own. Lines that came later:
 * NSpid 4.1, CapAmb 4.3, NoNewPrivs 4.10, Seccomp_filters 5.9; Seccomp only where the kernel was built with it.
 */
export interface ProcStatus {
  /** `comm`, with newline and backslash escaped. */
  readonly name: string;
  /** It is dead or a zombie: it will never run again. */
  readonly isDead: boolean;
  readonly parent: number;
  readonly effectiveUid: number;
  /** Real, effective, saved and file system user id, in the user namespace of the reader. */
  readonly uids: readonly number[];
  /** In how many nested pid namespaces it has a number, seen from the one of this procfs; 0: the kernel does not say. */
  readonly pidNamespaces: number;
  /** Its number in the innermost of these; 0: the kernel does not say. */
  readonly innermostPid: number;
  readonly threads: number;
  readonly capabilities: CapabilityWords;
  /** undefined: the kernel does not say. */
  readonly noNewPrivs: boolean | undefined;
  /** 0 disabled, 1 strict, 2 filter; undefined: this kernel has no seccomp. */
  readonly seccomp: 0 | 1 | 2 | undefined;
  /** -1: the kernel does not say. */
  readonly filters: number;
  /** It has no memory of its own: a kernel thread (or a zombie). */
  readonly hasNoMemory: boolean;
}

/** The five sets as the kernel prints them: 16 hexadecimal digits each. */
export interface CapabilityWords {
  readonly inheritable: string;
  readonly permitted: string;
  readonly effective: string;
  readonly bounding: string;
  readonly ambient: string;
}

const NO_CAPABILITIES = '0000000000000000';

/** undefined where it is no such file. The file is walked once, in the order in which the kernel writes it. */
export function parseProcStatus(text: string): ProcStatus | undefined {
  const lines = createLines(text);
  const name = lines.next('Name');
  const state = lines.next('State');
  const parent = lines.next('PPid');
  const uids = lines.next('Uid');
  if (name === undefined || state === undefined || parent === undefined || uids === undefined) return undefined;
  const pidNumbers = lines.next('NSpid');
  const hasMemory = lines.next('VmSize') !== undefined;
  const threads = lines.next('Threads');
  const inheritable = lines.next('CapInh');
  const permitted = lines.next('CapPrm');
  const effective = lines.next('CapEff');
  const bounding = lines.next('CapBnd');
  if (inheritable === undefined || permitted === undefined || effective === undefined || bounding === undefined)
    return undefined;
  const ambient = lines.next('CapAmb') ?? NO_CAPABILITIES;
  if (![inheritable, permitted, effective, bounding, ambient].every(isHexWord)) return undefined;
  const noNewPrivs = lines.next('NoNewPrivs');
  const seccomp = lines.next('Seccomp');
  const uidNumbers = uids.split('\t', 4).map(Number);
  const effectiveUid = uidNumbers[1];
  const parentNumber = Number(parent);
  if (effectiveUid === undefined || ![...uidNumbers, parentNumber].every(Number.isSafeInteger)) return undefined;
  return {
    name,
    isDead: state.startsWith('Z') || state.startsWith('X'),
    parent: parentNumber,
    effectiveUid,
    uids: uidNumbers,
    pidNamespaces: pidNumbers === undefined ? 0 : pidNumbers.split('\t').length,
    innermostPid: count(pidNumbers?.split('\t').at(-1)) ?? 0,
    threads: count(threads) ?? 1,
    capabilities: { inheritable, permitted, effective, bounding, ambient },
    noNewPrivs: noNewPrivs === undefined ? undefined : noNewPrivs !== '0',
    seccomp: seccompMode(seccomp),
    filters: count(lines.next('Seccomp_filters')) ?? -1,
    hasNoMemory: !hasMemory,
  };
}

interface Lines {
  /** The value of the next line with this name, after the last one that was found. */
  readonly next: (name: string) => string | undefined;
}

function createLines(text: string): Lines {
  let position = 0;
  return {
    next: (name) => {
      const key = `${name}:\t`;
      let start = position;
      if (!text.startsWith(key, position)) {
        const found = text.indexOf(`\n${key}`, position);
        if (found === -1) return undefined;
        start = found + 1;
      }
      const newline = text.indexOf('\n', start);
      const end = newline === -1 ? text.length : newline;
      // The newline stays before the position, so that the next line is found by it as well.
      position = end;
      return text.slice(start + key.length, end);
    },
  };
}

function isHexWord(word: string): boolean {
  return /^[\da-f]{1,32}$/.test(word);
}

function seccompMode(text: string | undefined): 0 | 1 | 2 | undefined {
  if (text === '2') return 2;
  if (text === '1') return 1;
  return text === '0' ? 0 : undefined;
}

function count(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
  return Number(text);
}
