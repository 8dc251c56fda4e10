"""A site's way to its hub: it tells what is, asks nothing, and carries out what it is asked if it may.

tell     what changed becomes messages in the outbox, in the state
report   they go to the hub in order, until it confirms them; nothing is lost while the line is down
ask      commands and questions come with the receipts; each is checked here as if nobody had checked it before
"""
