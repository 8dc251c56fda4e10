"""The status API: what a school authority's migration dashboard and every other client reads and asks of the bridge.

models   what goes over the wire; the OpenAPI document is drawn from it
asked    what it may be asked to do
source   what answers: one daemon (later: a hub over many)
"""
