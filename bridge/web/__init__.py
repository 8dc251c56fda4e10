"""A small page: a teacher resets the passwords of pupils of the own classes, everybody changes the own one.

log in   by an LDAPS bind as that person at the school; tries are limited by account and by address
session  a signed cookie that says who and until when: no password, nothing kept on this machine
write    only what was posted from this page (token and origin), through ``bridge.daemon.passwords``
"""
