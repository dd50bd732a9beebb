"""The command line: one file a group of commands, each a thin skin over the client or the launcher."""
