"""The commands of ``schoolbridge``, one module per few of them. Each says what it found, also by its exit code."""
