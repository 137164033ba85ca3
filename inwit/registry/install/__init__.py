"""Installing packages: resolved, proved, unpacked within limits, and in place by one rename.

`lock` is what reads the state; `installer` is what changes it, and brings the network's libraries.
"""
