"""The known loads: each module has the program of a load and a description of its account.

They run in an image that holds this machine's Python and nothing else: only the standard library may be imported.
"""
