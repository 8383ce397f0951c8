# Completion of `camf` in zsh, sourced with the workspace's setup.zsh: argcomplete's for bash, which zsh can run.
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
if type register-python-argcomplete >/dev/null 2>&1; then
    eval "$(register-python-argcomplete camf)"
elif type register-python-argcomplete3 >/dev/null 2>&1; then # Ubuntu 22.04
    eval "$(register-python-argcomplete3 camf)"
fi
