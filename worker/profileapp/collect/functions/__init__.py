"""Hot functions: metrics `functions` (py-spy) and `tau`."""
