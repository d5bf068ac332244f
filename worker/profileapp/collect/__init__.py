"""The sources of samples, one file each. Independent of whatever consumes the samples."""
