"""Starting the family of processes on one machine: a server, its workers, and whoever watches over them."""
