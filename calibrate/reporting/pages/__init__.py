"""Pages about probes and about several campaigns, and the words that they share with a terminal.

datasheet     how a probe responds
interference  what probes do to the machine and to each other
differences   two campaigns beside each other
drift         probes over a folder of campaigns
inventory     an import without a reference
"""
