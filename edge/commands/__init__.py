"""The subcommands of `emotion-edge`, one module each."""
