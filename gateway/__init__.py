"""The public HTTP interface: takes actions into the log, serves boards from memory. Stateless; any number may run."""
