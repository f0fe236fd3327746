"""The subcommands of `emotion-edge`, one module each with a function `run`; `arguments` declares them all."""
