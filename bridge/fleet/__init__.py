"""What a site and the hub say to each other: the messages, what they are signed and sealed with, and certificates.

report    the site tells: messages with sequence numbers out of its outbox
receipt   the hub confirms them, and brings commands, questions and allowances
law       who applies what: ``bridge.core.fleet``
"""
