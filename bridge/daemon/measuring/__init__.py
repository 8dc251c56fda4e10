"""How each gate is measured: what was seen comes first, the verdict is a pure function of it.

verdicts       what a verdict is made of
sides          credentials, clocks, room, licences: what both sides and the shares answer when asked
devices        computers of the directory against the devices that the cloud knows
people         people and groups read anew and rehearsed on a copy: complete, how much is left, equal on both sides
files          the folders of the shares: read to their end, how much is left to be sent
books          what the state knows: decisions, permissions, the configuration, soaking, the way back
opened         files that are open at the school
contents       files compared by their bytes
"""
