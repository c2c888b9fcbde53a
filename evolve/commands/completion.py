"""The command completion: a script for bash or zsh that completes commands, flags and their choices.

The script is made from the parsers and starts no program, so a press of the Tab key answers at once. What has no
choices is completed as a file. zsh runs the script through its own module for bash's completions.
"""

import argparse
from argparse import Namespace
from collections.abc import Mapping

from evolve.process.terminal import say

SCRIPT = """\
{begin}_evolve() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}} $before" in
{choices}    esac
    case "${{COMP_WORDS[1]}}" in
{flags}    esac
    if [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    fi
}}
complete -o bashdefault -o default -F _evolve evolve
"""
BEGIN = {"bash": "", "zsh": "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"}


def completion(arguments: Namespace) -> int:
    """Print the script."""
    say(script(arguments.parser, arguments.shell).rstrip("\n"))
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for a parser with commands. shell: bash or zsh."""
    commands = _commands(parser)
    choices, flags = [], []
    for name, command in commands.items():
        for action in command._actions:
            values = " ".join(map(str, action.choices or ()))
            for before in (action.option_strings or [name]) if values else ():
                choices.append(f'        "{name} {before}") words="{values}" ;;\n')
        named = " ".join(flag for action in command._actions for flag in action.option_strings)
        flags.append(f'        {name}) case "$word" in -*) words="{named}" ;; esac ;;\n')
    return SCRIPT.format(
        begin=BEGIN[shell], commands=" ".join(commands), choices="".join(choices), flags="".join(flags)
    )


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each command by its name."""
    [commands] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    choices: Mapping[str, argparse.ArgumentParser] = commands.choices
    return choices
