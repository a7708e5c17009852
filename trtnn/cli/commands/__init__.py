"""The commands: each module has ``run(arguments, console)``, which returns the exit code."""
