"""Pages for people who would rather look than read; they read the public REST alone."""
