import type { Completion, DescribedCommand, DescribedOption, DescribedProgram } from './describe.ts';

/** A shell that scripts are made for. */
export type Shell = 'bash' | 'zsh' | 'fish';

/** The completion script of `program` for `shell`. */
export function renderCompletion(shell: Shell, program: DescribedProgram): string {
  switch (shell) {
    case 'bash':
      return renderBash(program);
    case 'zsh':
      return renderZsh(program);
    case 'fish':
      return renderFish(program);
  }
}

/** `COMP_WORDS` is split at `=`: the option is before it, the value after it. */
function renderBash({ commands }: DescribedProgram): string {
  const valued = commands.flatMap(({ name, options }) =>
    options.flatMap(({ name: option, value }) =>
      value === undefined ? [] : [{ words: quote(`${name} --${option}`), reply: bashReply(value) }],
    ),
  );
  // Most options are of several commands: a line for each would make a script of 140 KB.
  const values = [...Map.groupBy(valued, ({ reply }) => reply)].map(
    ([reply, all]) => `    ${all.map(({ words }) => words).join(' | ')}) ${reply} ;;`,
  );
  const operands = commands.map(({ name, options, operand }) => {
    const flags = quote(options.map((option) => `--${option.name}`).join(' '));
    return `    ${name}) if [[ $word == -* ]]; then ${bashWords(flags)}; else ${bashReply(operand)}; fi ;;`;
  });
  return `# Completion of plimsoll for bash: source <(plimsoll completion bash)
_plimsoll() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command= index
  if [[ $before == = ]]; then before=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  if [[ $word == = ]]; then word=; fi
  if ((COMP_CWORD > 1)); then command=\${COMP_WORDS[1]}; fi
  COMPREPLY=()
  if [[ -z $command ]]; then ${bashWords(quote(commands.map(({ name }) => name).join(' ')))}; return; fi
  case "$command $before" in
${values.join('\n')}
    *) case "$command" in
${operands.join('\n')}
    esac ;;
  esac
}
complete -F _plimsoll plimsoll
`;
}

function bashReply(completion: Completion): string {
  switch (completion.kind) {
    case 'words':
      return bashWords(quote(completion.words.join(' ')));
    case 'names':
      return `mapfile -t COMPREPLY < <(compgen -W "$(${namesCommand(completion.of)})" -- "$word")`;
    case 'directory':
      return 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$word")';
    case 'file':
      return 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word")';
    case 'anything':
    case 'nothing':
      return ':';
  }
}

function bashWords(quoted: string): string {
  return `mapfile -t COMPREPLY < <(compgen -W ${quoted} -- "$word")`;
}

function renderZsh({ commands }: DescribedProgram): string {
  const listed = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`);
  return `#compdef plimsoll
# Completion of plimsoll for zsh: plimsoll completion zsh > "\${fpath[1]}/_plimsoll"
_plimsoll() {
  local -a commands=(
${listed.join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=\${words[2]}
  shift words
  ((CURRENT--))
  case $command in
${commands.map(zshCase).join('\n')}
  esac
}
if [[ \${funcstack[1]} == _plimsoll ]]; then _plimsoll "$@"; else compdef _plimsoll plimsoll; fi
`;
}

function zshCase({ name, options, operand }: DescribedCommand): string {
  const specs = options.map(({ name: option, summary, value }) => {
    // Within a specification, brackets and colons have a meaning.
    const text = `*--${option}[${summary.replaceAll(/[[\]\\:]/g, (character) => `\\${character}`)}]`;
    return `      ${quote(value === undefined ? text : `${text}:value:${zshAction(value)}`)}`;
  });
  const rest = operand.kind === 'nothing' ? [] : [`      ${quote(`*:argument:${zshAction(operand)}`)}`];
  return `    ${name}) _arguments \\\n${[...specs, ...rest].join(' \\\n')} ;;`;
}

function zshAction(completion: Completion): string {
  switch (completion.kind) {
    case 'words':
      return `(${completion.words.join(' ')})`;
    case 'names':
      return `{compadd -- \${(f)"$(${namesCommand(completion.of)})"}}`;
    case 'directory':
      return '_files -/';
    case 'file':
      return '_files';
    case 'anything':
    case 'nothing':
      return ' ';
  }
}

function renderFish({ commands }: DescribedProgram): string {
  const lines = commands.flatMap(({ name, summary, options, operand }) => {
    const within = `complete -c plimsoll -n '__fish_seen_subcommand_from ${name}'`;
    const words = operand.kind === 'words' ? [`${within} -a ${quote(operand.words.join(' '))}`] : [];
    const files = operand.kind === 'directory' ? [`${within} -a '(__fish_complete_directories)'`] : [];
    return [
      `complete -c plimsoll -n __fish_use_subcommand -a ${name} -d ${fishQuote(summary)}`,
      ...options.map((option) => `${within} ${fishOption(option)}`),
      ...words,
      ...files,
    ];
  });
  return `# Completion of plimsoll for fish: plimsoll completion fish > ~/.config/fish/completions/plimsoll.fish
complete -c plimsoll -f
${lines.join('\n')}
`;
}

function fishOption({ name, summary, value }: DescribedOption): string {
  const text = `-l ${name} -d ${fishQuote(summary)}`;
  switch (value?.kind) {
    case undefined:
      return text;
    case 'words':
      return `${text} -x -a ${quote(value.words.join(' '))}`;
    case 'names':
      return `${text} -x -a '(${namesCommand(value.of)})'`;
    case 'directory':
      return `${text} -x -a '(__fish_complete_directories)'`;
    case 'file':
      return `${text} -r -F`;
    case 'anything':
    case 'nothing':
      return `${text} -x`;
  }
}

/** Prints names, one per line, made only of characters that mean nothing to a shell: bash expands them. */
function namesCommand(kind: 'node' | 'container'): string {
  return `plimsoll completion names ${kind} 2>/dev/null`;
}

/** A word of a POSIX shell, whatever it contains. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Within single quotes fish knows two escapes. */
function fishQuote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, (character) => `\\${character}`)}'`;
}
