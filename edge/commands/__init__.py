"""The subcommands of `emotion-edge`, one module each: `add_arguments` describes it, `run` executes it."""
