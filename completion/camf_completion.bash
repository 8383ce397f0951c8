# Completion of `camf` in bash, sourced with the workspace's setup.bash.
if type register-python-argcomplete >/dev/null 2>&1; then
    eval "$(register-python-argcomplete camf)"
elif type register-python-argcomplete3 >/dev/null 2>&1; then # Ubuntu 22.04
    eval "$(register-python-argcomplete3 camf)"
fi
