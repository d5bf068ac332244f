"""The known loads: each module is the program of a load, and a description of what it knows of itself.

They run in an image that holds this machine's Python and nothing else: only the standard library may be imported.
"""
