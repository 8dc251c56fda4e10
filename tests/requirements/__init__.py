"""Which test proves which requirement."""
