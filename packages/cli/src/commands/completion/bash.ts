import { type CommandModel, withAllBelow } from '../../command-line/describe.ts';
import { optionWords, plainWords, shellQuoted } from './words.ts';

/** For bash. Where it has nothing to offer, bash offers files. */
export function bashCompletion(program: CommandModel): string {
  const all = withAllBelow(program);
  const name = program.name;
  const steps = all.slice(1).map(({ path }) => `      ${shellQuoted(path)}) command=${shellQuoted(path)} ;;`);
  const values = all.flatMap(({ path, options }) =>
    options.flatMap(({ names, value }) => {
      if (value === undefined) return [];
      const patterns = names.map((each) => shellQuoted(`${path} ${each}`)).join(' | ');
      return [`    ${patterns}) words=${shellQuoted(value.choices.join(' '))}; values=1 ;;`];
    }),
  );
  const words = all.map(
    (command) =>
      `    ${shellQuoted(command.path)}) options=${shellQuoted(optionWords(command.options).join(' '))}; plain=${shellQuoted(plainWords(command).join(' '))} ;;`,
  );
  return `# bash completion of ${name}, made by: ${name} completion bash
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command=${name} words='' values='' options='' plain='' i
  # --option=value comes as three words.
  if [[ $current == '=' ]]; then current=''
  elif [[ $previous == '=' && COMP_CWORD -gt 2 ]]; then previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command \${COMP_WORDS[i]}" in
${steps.join('\n')}
    esac
  done
  case "$command $previous" in
${values.join('\n')}
  esac
  if [[ -z $values ]]; then
    case "$command" in
${words.map((line) => `  ${line}`).join('\n')}
    esac
    if [[ $current == -* ]]; then words=$options; else words=$plain; fi
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _${name} ${name}
`;
}
