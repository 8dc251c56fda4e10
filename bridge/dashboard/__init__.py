"""The dashboard: what the status API knows, for people; server-rendered, in German and English.

log in  a token of the status API is shown once; a session on this side stands for it, no longer than the token itself
show    each page asks the ``Source`` and is drawn from templates that escape everything; names only with their scope
live    a stream says that something changed; the script fetches the same page again and replaces what differs
act     a form with the session's own token becomes an ``Action``, asked of the same ``Source`` as the API asks
"""
