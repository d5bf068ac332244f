"""What an app's words make the worker connect to: which addresses, for how long, and how much is taken."""
