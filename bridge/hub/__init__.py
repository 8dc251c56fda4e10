"""The hub: what sites report, for the authority; what it asks, for the sites.

doors    sites by mutual TLS, people by the status API and the dashboard
inbox    reports are applied once and in order, many in one transaction
source   implements ``bridge.api.source.Source`` over what was reported; what needs names or rows is asked of the site
waves    which school is asked to begin when, and when nobody is any more
"""
