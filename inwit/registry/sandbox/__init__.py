"""Running a package's code within bounds: in a process of its own, under bubblewrap.

It sees its folder, Python and what its permissions name; no network but the hosts that it lists;
no home, no environment, no other processes. What it gives are stand-ins (`standins`): functions
that are called there, and graphs whose nodes are such functions.
"""
