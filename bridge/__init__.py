"""schoolbridge mirrors a school's users, groups and file shares between its own server and the cloud."""

__version__ = "0.1.0"
