"""The lab: synthetic schools and real servers, for the demo and for tests; nothing of it runs in production.

1. `seed` draws a believable school from one number, `entries` says it in LDAP's words.
2. `samba` and `postgres` start real servers in scratch directories, each on its own loopback address or socket.
3. `guardian` sees to it that nothing is left running, however the starting process ends.
4. `packages` installs the Debian packages that the servers need, where root may do so.
"""
