"""The subcommands of `emotion-convert`, grouped by the package that does the work.

`add` of each module adds its subcommands with their handlers. Handlers import what they need themselves:
--help must not wait for TensorFlow.
"""
