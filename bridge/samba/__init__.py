"""A share of this machine's Samba is made read-only for a cutover: the service asks, root does it.

1. asked     the service writes what it wants of a share into a directory that only it can write: ``asked``
2. judged    root looks whether the share is on its list, stands in Samba's registry, and is the right one: ``judged``
3. kept      its options as they were are on the disk before one is changed, and are given back from there: ``frozen``
4. answered  in root's own directory, which the service can only read: ``answering``

Root's part is the command ``schoolbridge samba-shares``, started by systemd (schoolbridge-samba.path) and gone again;
the service's part is ``bridge.daemon.samba_shares``. The service gets no right by it, and root never writes where the
service can.
"""
