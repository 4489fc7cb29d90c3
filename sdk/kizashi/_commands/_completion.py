"""`kizashi completion`: a script that has a shell complete commands, options and the values that these may have."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence

from kizashi._commands._parser_outline import Command, outline

__all__ = ["add_completion"]

_INSTALL = """\
examples, each of which installs it for good; in zsh, put it behind compinit:
  echo 'eval "$(kizashi completion bash)"' >> ~/.bashrc
  echo 'eval "$(kizashi completion zsh)"' >> ~/.zshrc
  kizashi completion fish > ~/.config/fish/completions/kizashi.fish"""


def add_completion(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `completion`; what it prints covers all commands that there are when it runs."""
    parser = commands.add_parser(
        "completion",
        help="print a script that has bash, zsh or fish complete commands and options",
        description="Print a completion script, made from the commands of this installation.\n"
        "Exit status: 0 printed, 2 used wrongly.",
        epilog=_INSTALL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=sorted(_SCRIPTS), help="the shell that is to read it")

    def run(args: argparse.Namespace) -> int:
        whole = argparse.ArgumentParser(prog="kizashi", add_help=False)
        whole.add_argument("-h", "--help", action="store_true", help="show the commands")
        whole.add_argument("--version", action="store_true", help="show the version")
        whole._actions.append(commands)
        print(_SCRIPTS[args.shell](list(outline(whole, "kizashi"))), end="")
        return 0

    parser.set_defaults(run=run)


def _quoted(text: str) -> str:
    """Text in single quotes, as bash and zsh read it."""
    return "'" + text.replace("'", "'\\''") + "'"


def _patterns(names: Iterable[str]) -> str:
    return " | ".join(map(_quoted, names))


def _valued(commands: Sequence[Command]) -> Mapping[str, Sequence[str]]:
    """Each option that has a value, behind its command: the choices, none where any value may stand."""
    return {
        f"{command.name} {name}": option.choices
        for command in commands
        for option in command.options
        if option.valued
        for name in option.names
    }


def _descent(commands: Sequence[Command]) -> str:
    """A pattern of all commands below the first."""
    return _patterns(command.name for command in commands[1:])


def _bash(commands: Sequence[Command]) -> str:
    lines = [
        "# bash completion for kizashi; made by `kizashi completion bash`",
        "_kizashi() {",
        "  local here='kizashi' before word words=''",
        '  local current="${COMP_WORDS[COMP_CWORD]}"',
        '  before="${COMP_WORDS[COMP_CWORD-1]}"',
        "  # bash parts --option=value at the sign.",
        '  if [[ "$current" == "=" ]]; then current=\'\'',
        '  elif [[ "$before" == "=" ]]; then before="${COMP_WORDS[COMP_CWORD-2]}"; fi',
        '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '    case "$here $word" in',
        f'      {_descent(commands)}) here="$here $word" ;;',
        "    esac",
        "  done",
        '  case "$here $before" in',
    ]
    valued = _valued(commands)
    for name, choices in valued.items():
        if choices:
            lines.append(f"    {_quoted(name)}) words={_quoted(' '.join(choices))} ;;")
    free = [name for name, choices in valued.items() if not choices]
    # Any value may stand there: what bash does by default completes files.
    lines += [f"    {_patterns(free)}) return ;;", "    *)", '      case "$here" in']
    for command in commands:
        names = [name for option in command.options for name in option.names]
        others = [*(word for word, _ in command.below), *command.arguments]
        # Where a file may be meant, options come once somebody has begun one.
        first = others if command.free else [*others, *names]
        lines += [
            f"        {_quoted(command.name)})",
            f"          words={_quoted(' '.join(first))}",
            f'          [[ "$current" == -* ]] && words={_quoted(" ".join(names))} ;;',
        ]
    lines += [
        "      esac ;;",
        "  esac",
        '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "}",
        "complete -o default -F _kizashi kizashi",
    ]
    return "\n".join(lines) + "\n"


def _zsh(commands: Sequence[Command]) -> str:
    lines = [
        "#compdef kizashi",
        "# zsh completion for kizashi; made by `kizashi completion zsh`",
        "_kizashi() {",
        "  local here='kizashi' word",
        "  local -a found options",
        "  local -i free",
        '  for word in "${(@)words[2,CURRENT-1]}"; do',
        '    case "$here $word" in',
        f'      {_descent(commands).replace(" | ", "|")}) here="$here $word" ;;',
        "    esac",
        "  done",
        '  local before="${words[CURRENT-1]}"',
        "  # What stands behind --option= is completed as behind --option.",
        '  if [[ "${words[CURRENT]}" == --*=* ]]; then before="${words[CURRENT]%%=*}"; compset -P "*="; fi',
        '  case "$here $before" in',
    ]
    valued = _valued(commands)
    for name, choices in valued.items():
        if choices:
            lines.append(f"    {_quoted(name)}) compadd -- {' '.join(map(_quoted, choices))}; return ;;")
    free = "|".join(_quoted(name) for name, choices in valued.items() if not choices)
    lines += [f"    {free}) _files; return ;;", "  esac", '  case "$here" in']
    for command in commands:
        told = [
            _described(word, purpose) for word, purpose in (*command.below, *((one, "") for one in command.arguments))
        ]
        options = [_described(name, option.help) for option in command.options for name in option.names]
        lines += [
            f"    {_quoted(command.name)})",
            f"      found=({' '.join(told)})",
            f"      options=({' '.join(options)})",
            f"      free={int(command.free)} ;;",
        ]
    lines += [
        "  esac",
        "  if [[ ${words[CURRENT]} == -* ]]; then _describe -o option options",
        "  elif (( $#found )); then _describe command found",
        "  elif (( free )); then _files",
        "  else _describe -o option options; fi",
        "}",
        'if [[ "${funcstack[1]}" == _kizashi ]]; then _kizashi "$@"; else compdef _kizashi kizashi; fi',
    ]
    return "\n".join(lines) + "\n"


def _described(word: str, purpose: str) -> str:
    return _quoted(word.replace(":", "\\:") + (f":{purpose}" if purpose else ""))


def _fish(commands: Sequence[Command]) -> str:
    lines = [
        "# fish completion for kizashi; made by `kizashi completion fish`",
        "function __kizashi_at",
        "    set -l here kizashi",
        "    for word in (commandline -opc)[2..-1]",
        '        switch "$here $word"',
        f"            case {' '.join(_fish_quoted(command.name) for command in commands[1:])}",
        '                set here "$here $word"',
        "        end",
        "    end",
        '    test "$here" = "$argv[1]"',
        "end",
    ]
    for command in commands:
        begin = f"complete -c kizashi -n {_fish_quoted(f'__kizashi_at {_fish_quoted(command.name)}')}"
        for word, purpose in command.below:
            lines.append(f"{begin} -f -a {word} -d {_fish_quoted(purpose)}")
        if command.arguments:
            lines.append(f"{begin} -f -a {_fish_quoted(' '.join(command.arguments))}")
        for option in command.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = f" -x -a {_fish_quoted(' '.join(option.choices))}" if option.choices else " -r" * option.valued
            lines.append(f"{begin} {names}{value} -d {_fish_quoted(option.help)}")
    return "\n".join(lines) + "\n"


def _fish_quoted(text: str) -> str:
    """Text in single quotes, as fish reads it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS: Mapping[str, Callable[[Sequence[Command]], str]] = {"bash": _bash, "fish": _fish, "zsh": _zsh}
