"""A picture file -> pixels: reading, headers, orientation; decoded pictures on disk and in memory."""
