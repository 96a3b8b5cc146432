"""metaopt completion: what makes a shell complete verbs and options."""

from collections.abc import Mapping, Sequence
from importlib import import_module

from metaopt.cli.parser import Parser

EPILOG = """  eval "$(metaopt completion bash)"                                  # in ~/.bashrc
  eval "$(metaopt completion zsh)"                                   # in ~/.zshrc, after compinit
  metaopt completion fish > ~/.config/fish/completions/metaopt.fish"""
BASH = """_metaopt() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb=${{COMP_WORDS[1]}}
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "{verbs}" -- "$word"))
    else
        case $verb in
{cases}
        esac
    fi
}}
complete -o default -F _metaopt metaopt
"""
ZSH = """_metaopt() {{
    if (( CURRENT == 2 )); then
        compadd -- {verbs}
    else
        case $words[2] in
{cases}
        esac
    fi
    _files
}}
compdef _metaopt metaopt
"""


def parser() -> Parser:
    """Its command line."""
    made = Parser("completion", __doc__, EPILOG)
    made.add_argument("shell", choices=("bash", "zsh", "fish"))
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    asked = parser().parse_args(argv)
    from metaopt.cli.base import output, say  # noqa: PLC0415 - help needs nothing of this

    with output():
        say({"bash": _bash, "zsh": _zsh, "fish": _fish}[asked.shell]().rstrip("\n"))
    return 0


def words() -> Mapping[str, Sequence[str]]:
    """What may follow each verb."""
    from metaopt.cli import FILES, VERBS  # noqa: PLC0415 - they import this

    found: dict[str, Sequence[str]] = {}
    for verb in VERBS:
        made = import_module(f"metaopt.cli.{FILES.get(verb, verb)}")
        below, kinds = getattr(made, "VERBS", ()), getattr(made, "KINDS", ())
        found[verb] = below or [*kinds, *(made.parser().flags if hasattr(made, "parser") else ())]
    return found


def _bash() -> str:
    cases = [f'            {verb}) COMPREPLY=($(compgen -W "{_joined(after)}" -- "$word"));;' for verb, after in _all()]
    return BASH.format(verbs=" ".join(words()), cases="\n".join(cases))


def _zsh() -> str:
    cases = [f"            {verb}) compadd -- {_joined(after)};;" for verb, after in _all()]
    return ZSH.format(verbs=" ".join(words()), cases="\n".join(cases))


def _fish() -> str:
    from metaopt.cli import VERBS  # noqa: PLC0415 - they import this

    lines = [
        f"complete -c metaopt -n __fish_use_subcommand -a {verb} -d '{what.replace(chr(39), '')}'"
        for verb, what in VERBS.items()
    ]
    for verb, after in words().items():
        seen = f"complete -c metaopt -n '__fish_seen_subcommand_from {verb}'"
        lines += [f"{seen} -l {word[2:]}" if word.startswith("--") else f"{seen} -a {word}" for word in after]
    return "\n".join(lines) + "\n"


def _all() -> list[tuple[str, Sequence[str]]]:
    """The verbs that something may follow, with that."""
    return [(verb, after) for verb, after in words().items() if after]


def _joined(after: Sequence[str]) -> str:
    return " ".join(after)
